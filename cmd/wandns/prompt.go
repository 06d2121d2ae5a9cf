package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxAnswer bounds what is read as one answer.
const maxAnswer = 4 << 10

var errNoAnswer = errors.New("standard input ended before an answer")

// atTerminal reports whether a person can be asked.
func (c *cli) atTerminal() bool {
	_, err := unix.IoctlGetTermios(int(c.stdin.Fd()), unix.TCGETS)
	return err == nil
}

// confirm asks a person a question to which only yes means yes.
func (c *cli) confirm(question string) (bool, error) {
	fmt.Fprintf(c.stderr, "%s [y/N] ", question)
	answer, err := readLine(c.stdin)
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", err
}

// line reads an answer from standard input, after a question if a person is
// there.
func (c *cli) line(question string) (string, error) {
	if c.atTerminal() {
		fmt.Fprint(c.stderr, question)
	}
	return readLine(c.stdin)
}

// password is line without echo.
func (c *cli) password(question string) (string, error) {
	if !c.atTerminal() {
		return readLine(c.stdin)
	}
	restore, err := silence(int(c.stdin.Fd()))
	if err != nil {
		return "", fmt.Errorf("the terminal's echo could not be switched off: %w", err)
	}
	defer restore()
	defer fmt.Fprintln(c.stderr) // the end of the line was not echoed either
	fmt.Fprint(c.stderr, question)
	return readLine(c.stdin)
}

// silence switches a terminal's echo off until restore is called, or a signal
// ends the program.
func silence(fd int) (restore func(), err error) {
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	signals := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		select {
		case <-done:
		case s := <-signals:
			_ = unix.IoctlSetTermios(fd, unix.TCSETS, was)
			signal.Reset(s)
			_ = syscall.Kill(os.Getpid(), s.(syscall.Signal)) // whoever started the program sees why it ended
		}
	}()
	quiet := *was
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		signal.Stop(signals)
		close(done)
		return nil, err
	}
	return func() {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, was)
		signal.Stop(signals)
		close(done)
	}, nil
}

// readLine reads up to the end of a line, and nothing beyond: the next answer
// follows it.
func readLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for len(line) < maxAnswer {
		n, err := r.Read(b)
		switch {
		case n == 1 && b[0] == '\n', err != nil && len(line) > 0:
			return strings.TrimSuffix(string(line), "\r"), nil
		case n == 1:
			line = append(line, b[0])
		case err != nil:
			return "", errNoAnswer
		}
	}
	return "", fmt.Errorf("the answer is longer than %d KiB", maxAnswer>>10)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

func setupUpdate(*flag.FlagSet) func(*cli, []string) int {
	return func(c *cli, args []string) int { return c.control(controlRequest{Verb: "update", Services: args}) }
}

func setupResume(*flag.FlagSet) func(*cli, []string) int {
	return func(c *cli, args []string) int {
		if len(args) != 1 {
			return c.fail(exitUsage, "resume takes the name of one service; wandns status lists them")
		}
		return c.control(controlRequest{Verb: "resume", Services: args})
	}
}

// control asks the running daemon and prints what it says.
func (c *cli) control(req controlRequest) int {
	runDir, _ := c.runDir()
	path := filepath.Join(runDir, socketName)
	conn, err := new(net.Dialer).DialContext(context.Background(), "unix", path)
	switch {
	case errors.Is(err, os.ErrPermission):
		return c.fail(exitFailed, "only the user that runs the daemon may ask it (%s); try as root", path)
	case err != nil:
		return c.fail(exitFailed, "no daemon is running in %s; start it with: wandns run --config %s", runDir, c.config)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	var reply controlReply
	err = json.NewEncoder(conn).Encode(req)
	if err == nil {
		err = json.NewDecoder(conn).Decode(&reply)
	}
	switch {
	case err != nil:
		return c.fail(exitFailed, "the daemon did not answer (%v); look at: wandns status", err)
	case reply.Error != "":
		return c.fail(exitUsage, "%s", reply.Error)
	}
	for _, r := range reply.Replies {
		fmt.Fprintf(c.stdout, "%s: %s\n", r.Service, r.Outlook)
	}
	return exitDone
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"wandns/updater"
)

// The control socket takes one JSON object per connection and answers with
// one. Only the daemon's user can open it.

const socketName = "control.sock"

type controlRequest struct {
	Verb     string       `json:"verb,omitempty"` // "update" or "resume"
	Services []string     `json:"services,omitempty"`
	Reserve  *reservation `json:"reserve,omitempty"` // in place of a verb
}

// reservation is an updater.Reserve or, with a fault, an updater.Heard.
type reservation struct {
	Service string         `json:"service"`
	Hosts   []string       `json:"hosts"`
	Changes int            `json:"changes"`
	Fault   *updater.Fault `json:"fault,omitempty"` // what the request met
}

func (r reservation) event() updater.Event {
	ev := updater.Reserve{Service: r.Service, Hosts: r.Hosts, Changes: r.Changes}
	if r.Fault != nil {
		return updater.Heard{Reserve: ev, Fault: *r.Fault}
	}
	return ev
}

type controlReply struct {
	Error   string          `json:"error,omitempty"`
	Replies []updater.Reply `json:"replies,omitempty"`
	Permit  *updater.Permit `json:"permit,omitempty"` // for a reservation
}

// listenControl makes the socket. One that is left over is replaced; one that
// answers belongs to a running daemon.
func listenControl(ctx context.Context, runDir string) (net.Listener, error) {
	path := filepath.Join(runDir, socketName)
	if c, err := dialControl(ctx, runDir); err == nil {
		c.Close()
		return nil, fmt.Errorf("%s is %w", runDir, errRunning)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	defer syscall.Umask(syscall.Umask(0o177)) // mode 0600 from the first moment
	var config net.ListenConfig
	return config.Listen(ctx, "unix", path)
}

var errRunning = errors.New("in use by another wandns")

// serveControl hands requests to the runner until the listener is closed.
// names returns the services of the moment.
func serveControl(ctx context.Context, l net.Listener, commands chan<- updater.Command, names func() []string, log *lines) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Warn("the control socket failed; it is tried again", "error", err)
			time.Sleep(time.Second)
			continue
		}
		go func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			var req controlRequest
			if err := json.NewDecoder(io.LimitReader(conn, 64<<10)).Decode(&req); err != nil {
				return
			}
			_ = json.NewEncoder(conn).Encode(handleControl(ctx, req, commands, names()))
		}()
	}
}

func handleControl(ctx context.Context, req controlRequest, commands chan<- updater.Command, names []string) controlReply {
	services := req.Services
	if req.Reserve != nil {
		services = []string{req.Reserve.Service}
	}
	for _, s := range services {
		if !slices.Contains(names, s) {
			return controlReply{Error: unknownService(s, names)}
		}
	}
	var ev updater.Event
	switch {
	case req.Reserve != nil:
		ev = req.Reserve.event()
	case req.Verb == "update":
		ev = updater.Poke{Services: req.Services}
	case req.Verb == "resume" && len(req.Services) == 1:
		ev = updater.Resume{Service: req.Services[0]}
	default:
		return controlReply{Error: "the daemon does not know this request; restart it after an upgrade"}
	}
	reply, permit := make(chan []updater.Reply, 1), make(chan updater.Permit, 1)
	command := updater.Command{Event: ev, Reply: reply}
	if req.Reserve != nil {
		command = updater.Command{Event: ev, Permit: permit}
	}
	select {
	case commands <- command:
	case <-ctx.Done():
		return controlReply{Error: "the daemon is stopping"}
	}
	select {
	case r := <-reply:
		return controlReply{Replies: r}
	case p := <-permit:
		return controlReply{Permit: &p}
	}
}

var errNoDaemon = errors.New("no daemon is running")

// askDaemon makes a request of the running daemon. Its error is errNoDaemon,
// or tells a person what is wrong.
func askDaemon(ctx context.Context, runDir string, req controlRequest) (controlReply, error) {
	var reply controlReply
	conn, err := dialControl(ctx, runDir)
	switch {
	case errors.Is(err, os.ErrPermission):
		return reply, fmt.Errorf("only the user that runs the daemon may ask it (%s); try as root", filepath.Join(runDir, socketName))
	case errors.Is(err, errImpostor):
		return reply, err
	case err != nil:
		return reply, errNoDaemon
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	err = json.NewEncoder(conn).Encode(req)
	if err == nil {
		err = json.NewDecoder(io.LimitReader(conn, 4<<20)).Decode(&reply) // of thousands of services
	}
	if err != nil {
		return reply, fmt.Errorf("the daemon did not answer (%s); look at: wandns status", oneLine(err.Error()))
	}
	return reply, nil
}

var errImpostor = errors.New("what listens there is not the daemon of the folder's owner; correct run_dir, or restart wandns")

// dialControl connects to the daemon of a folder, which is its user's: not to a
// socket elsewhere that a link there leads to, nor to anybody else's.
func dialControl(ctx context.Context, runDir string) (net.Conn, error) {
	fd, err := unix.Open(filepath.Join(runDir, socketName), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	var folder, socket unix.Stat_t
	if err := errors.Join(unix.Stat(runDir, &folder), unix.Fstat(fd, &socket)); err != nil {
		return nil, err
	}
	if socket.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, errImpostor
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return nil, err
	}
	err = errImpostor
	if raw, failed := conn.(*net.UnixConn).SyscallConn(); failed == nil { //nolint:forcetypeassert // by its network
		_ = raw.Control(func(fd uintptr) {
			peer, failed := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
			if failed == nil && (peer.Uid == folder.Uid || peer.Uid == 0 || int(peer.Uid) == os.Geteuid()) {
				err = nil
			}
		})
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func unknownService(name string, names []string) string {
	if s := closest(name, names); s != "" {
		return fmt.Sprintf("there is no service %q; did you mean %s?", name, s)
	}
	return fmt.Sprintf("there is no service %q; the running daemon has %q", name, names)
}

package updater

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"wandns/updater/safefile"
	"wandns/wan"
)

// Way is how a request leaves. The zero value leaves it to the kernel. The DNS
// is asked as ever, since the router's own is on loopback.
type Way struct {
	Device string     // by this device
	V4, V6 netip.Addr // from these addresses, each over its own family; invalid for the kernel's choice
	Only   Only
}

// Only restricts a request to one family.
type Only uint8

// The restrictions.
const (
	EitherFamily Only = iota
	OnlyIPv4
	OnlyIPv6
)

// Over restricts a request to one family.
func Over(f wan.Family) Only { return [...]Only{wan.IPv4: OnlyIPv4, wan.IPv6: OnlyIPv6}[f] }

type wayKey struct{}

// By makes the requests of a context leave by a way.
func By(ctx context.Context, w Way) context.Context { return context.WithValue(ctx, wayKey{}, w) }

// WayOf returns the way by which a context's requests leave.
func WayOf(ctx context.Context) Way {
	w, _ := ctx.Value(wayKey{}).(Way)
	return w
}

// way is how a service's requests leave: by its device and from the addresses
// that it publishes, so that policy routing sends them the right way too. Only
// a pinned service has one, since a server of the user's own may be anywhere,
// and one whose provider publishes where the request comes from.
func (e *Engine) way(s *service) Way {
	var w Way
	own := s.sees[wan.IPv4].own
	if w.Device, _ = e.state.Pinned(s.Policy); w.Device == "" && s.FromSource {
		w.Device = own.Device
	}
	if w.Device == "" {
		return w
	}
	if s.FromSource && w.Device == own.Device {
		return Way{Device: w.Device, V4: own.Addr, Only: OnlyIPv4}
	}
	for _, a := range e.state.Addrs {
		switch ip := a.Prefix.Addr(); {
		case a.Device != w.Device:
		case ip == s.sees[wan.IPv4].Addr:
			w.V4 = ip
		case ip == s.sees[wan.IPv6].Addr:
			w.V6 = ip
		}
	}
	return w
}

// from makes a way begin at an address.
func (w *Way) from(a netip.Addr) {
	if a.Is4() {
		w.V4 = a
	} else {
		w.V6 = a
	}
}

// errWay is a way that cannot be gone.
type errWay struct {
	what string
	err  error
	next string
}

func (e errWay) Error() string { return fmt.Sprintf("%s (%v)", e.what, e.err) }
func (e errWay) Unwrap() error { return e.err }

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// byWay restricts connections to the family of their way.
func byWay(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return dial(ctx, network+[...]string{OnlyIPv4: "4", OnlyIPv6: "6"}[WayOf(ctx).Only], address)
	}
}

// takeWay prepares a socket: device (SO_BINDTODEVICE, free for everybody since
// Linux 5.7), source, and mark. A loopback server is reached as ever.
func takeWay(mwan3 string) func(ctx context.Context, network, address string, c syscall.RawConn) error {
	return func(ctx context.Context, _, address string, c syscall.RawConn) error {
		w := WayOf(ctx)
		to, err := netip.ParseAddrPort(address)
		if w.Device == "" || err == nil && to.Addr().Unmap().IsLoopback() {
			return nil
		}
		var wrong error
		if err := c.Control(func(fd uintptr) { wrong = w.take(int(fd), to.Addr().Is4(), mwan3) }); err != nil {
			return err
		}
		return wrong
	}
}

func (w Way) take(fd int, v4 bool, mwan3 string) error {
	if err := unix.BindToDevice(fd, w.Device); err != nil {
		return errWay{"it cannot leave by device " + w.Device, err, "bring the device up or correct it"}
	}
	from := w.V6
	var source unix.Sockaddr = &unix.SockaddrInet6{Addr: from.As16()}
	if v4 {
		from = w.V4
	}
	if from.Is4() {
		source = &unix.SockaddrInet4{Addr: from.As4()}
	}
	if from.IsValid() {
		if err := unix.Bind(fd, source); err != nil {
			return errWay{"it cannot leave from " + from.String(), err, "wait a moment for the address"}
		}
	}
	mark, ok := markFor(mwan3)
	if !ok {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark)); err != nil {
		return errWay{fmt.Sprintf("it cannot be marked for mwan3 with %#x", mark), err, "restart wandns, which gives up what that takes where mwan3 does not run at its start, or give it the capability net_admin"}
	}
	return nil
}

// MWAN3 is the directory of mwan3 while it runs.
const MWAN3 = "/var/run/mwan3"

// markFor returns the mark with which mwan3's rules leave a packet alone: all
// bits of its mask, if mwan3 runs, which a directory of its own shows.
func markFor(mwan3 string) (uint32, bool) {
	if _, err := os.Stat(mwan3); err != nil {
		return 0, false
	}
	const byDefault = 0x3f00
	f, err := safefile.Read(context.Background(), filepath.Join(mwan3, "mmx_mask"), 1<<10)
	mask, parseErr := strconv.ParseUint(strings.TrimSpace(f.Text), 0, 32)
	if err != nil || parseErr != nil || mask == 0 {
		return byDefault, true
	}
	return uint32(mask), true
}

package updater

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// ResolverChanges tells when other resolvers are to be asked, until ctx ends.
// Between that nothing wakes up.
func ResolverChanges(ctx context.Context) (<-chan struct{}, error) {
	return resolverChanges(ctx, resolvFiles)
}

func resolverChanges(ctx context.Context, files []string) (<-chan struct{}, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	events := os.NewFile(uintptr(fd), "resolvers")
	watchThem := func() {
		for _, name := range files { // a file that is replaced is another one, and what a link leads to lies elsewhere
			_, _ = unix.InotifyAddWatch(fd, filepath.Dir(name), unix.IN_CLOSE_WRITE|unix.IN_CREATE|unix.IN_MOVED_TO)
			_, _ = unix.InotifyAddWatch(fd, name, unix.IN_CLOSE_WRITE|unix.IN_ATTRIB|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF)
		}
	}
	watchThem()
	context.AfterFunc(ctx, func() { events.Close() })
	changes, last := make(chan struct{}, 1), resolvers(files)
	go func() {
		for b := make([]byte, unix.SizeofInotifyEvent+unix.NAME_MAX+1); ; {
			if _, err := events.Read(b); err != nil {
				return
			}
			watchThem()
			now := resolvers(files)
			if slices.Equal(now, last) {
				continue
			}
			last = now
			select {
			case changes <- struct{}{}:
			default: // one is enough
			}
		}
	}()
	return changes, nil
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
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
	reply, err := askDaemon(context.Background(), runDir, req)
	switch {
	case errors.Is(err, errNoDaemon):
		return c.fail(exitFailed, "no daemon is running in %s; start it with: %s", runDir, c.starter())
	case err != nil:
		return c.fail(exitFailed, "%v", err)
	case reply.Error != "":
		return c.fail(exitUsage, "%s", oneLine(reply.Error))
	}
	for _, r := range reply.Replies {
		fmt.Fprintln(c.stdout, oneLine(r.Service+": "+r.Outlook))
	}
	return exitDone
}

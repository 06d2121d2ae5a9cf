package main

import (
	"context"
	"wandns/updater/updatertest"
)
func runDemo(ctx context.Context, sim *updatertest.NoIP, wandns string, stay bool) error { return nil }

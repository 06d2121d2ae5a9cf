module wandns

go 1.26.11

godebug (
	fips140=off // the default, but for GOFIPS140 in the Makefile
	updatemaxprocs=0 // a router's processors neither come nor go: no look once a minute
)

require (
	github.com/BurntSushi/toml v1.6.0
	github.com/mdlayher/ndp v1.1.0
	github.com/miekg/dns v1.1.73
	github.com/vishvananda/netlink v1.3.1
	go.etcd.io/bbolt v1.5.0
	golang.org/x/net v0.57.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/vishvananda/netns v0.0.5 // indirect
	golang.org/x/text v0.40.0 // indirect
)

ignore ./openwrt/luci-app-wandns/node_modules

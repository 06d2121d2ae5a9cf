# Stands in for what the feed's Makefile includes of OpenWrt, and does with its
# variables what that does.
empty:=
space:=$(empty) $(empty)
comma:=,
TARGET_LDFLAGS:=-znow -zrelro
INCLUDE_DIR:=$(TOPDIR)

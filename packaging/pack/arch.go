package main

import "strings"

// An arch is one of OpenWrt's names for a processor; bin is the folder that
// make cross puts its program in. One program does for many names, since it is
// static and uses no floating point of the processor.
type arch struct{ name, bin string }

// arches is OpenWrt's list as far as Go knows the processor.
func arches() []arch {
	table := []struct{ bin, names string }{
		{"mips", "mips_24kc mips_4kec mips_mips32"},
		{"mipsle", "mipsel_24kc mipsel_24kc_24kf mipsel_74kc mipsel_mips32"},
		{"mips64", "mips64_mips64r2 mips64_octeonplus"},
		{"mips64le", "mips64el_mips64r2"},
		{"arm5", "arm_arm926ej-s arm_xscale arm_fa526 arm_cortex-a7 arm_cortex-a9"},
		{"arm6", "arm_arm1176jzf-s_vfp"},
		{"arm7", "arm_cortex-a5_vfpv4 arm_cortex-a7_neon-vfpv4 arm_cortex-a7_vfpv4 arm_cortex-a8_vfpv3 " +
			"arm_cortex-a9_neon arm_cortex-a9_vfpv3-d16 arm_cortex-a15_neon-vfpv4"},
		{"arm64", "aarch64_cortex-a53 aarch64_cortex-a72 aarch64_cortex-a76 aarch64_generic"},
		{"386", "i386_pentium4 i386_pentium-mmx"},
		{"amd64", "x86_64"},
		{"riscv64", "riscv64_generic riscv64_riscv64"},
		{"loong64", "loongarch64_generic"},
	}
	var list []arch
	for _, row := range table {
		for name := range strings.FieldsSeq(row.names) {
			list = append(list, arch{name, row.bin})
		}
	}
	return list
}

define BuildPackage
compile:
	$(Build/Configure)
	$(Build/Compile)
endef

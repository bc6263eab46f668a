include sdk/include/local.mk
include sdk/lib/local.mk
if LAB
include sdk/lab/local.mk
endif
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = sdk/isthmus.pc

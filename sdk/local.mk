include sdk/include/local.mk
include sdk/lib/local.mk
if LAB
include sdk/lab/local.mk
endif
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = sdk/isthmus.pc
dist_doc_DATA = sdk/docs/writing-a-plugin.md sdk/docs/abi.md sdk/docs/debugging.md sdk/docs/policy.md

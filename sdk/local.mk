include sdk/include/local.mk
include sdk/lib/local.mk
if LAB
include sdk/lab/local.mk
endif
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = sdk/isthmus.pc
# The conformance tests of the roles, for vendors: sdk/docs/writing-a-plugin.md.
rolesdir = $(pkgdatadir)/roles
dist_roles_SCRIPTS = sdk/roles/dmvpn-endpoint.sh
dist_doc_DATA = sdk/docs/writing-a-plugin.md sdk/docs/abi.md sdk/docs/debugging.md sdk/docs/policy.md

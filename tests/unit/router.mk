# SSH, IOS, router VM
if LAB
# The lab's routers alone, which the tests of SSH and IOS talk to.
check_PROGRAMS += tests/unit/router-alone
tests_unit_router_alone_SOURCES = %D%/router-alone.c sdk/lab/util.c sdk/lab/timer.c sdk/lab/journal.c sdk/lab/fault.c \
	sdk/lab/router/router.c sdk/lab/router/rules.c sdk/lab/router/grammar.c sdk/lab/router/config.c \
	sdk/lab/router/standing.c \
	sdk/lab/router/session.c sdk/lab/router/typing.c sdk/lab/router/help.c sdk/lab/router/exec.c sdk/lab/router/show.c sdk/lab/router/system.c sdk/lab/router/tunnel.c \
	sdk/lab/router/routes.c sdk/lab/router/acl.c sdk/lab/router/sshd.c \
	sdk/lab/host/machine.c sdk/lab/host/session.c sdk/lab/host/config.c sdk/lab/host/answers.c
tests_unit_router_alone_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir)/sdk/lab -Isdk/lab/host
sdk/lab/host/router_alone-machine.$(OBJEXT): sdk/lab/host/tools.inc
tests_unit_router_alone_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SSH_CFLAGS)
tests_unit_router_alone_LDADD = $(JANSSON_LIBS) $(SSH_LIBS)

check_PROGRAMS += tests/unit/test-ssh
UNIT_TESTS += tests/unit/test-ssh
tests_unit_test_ssh_SOURCES = %D%/test-ssh.c
tests_unit_test_ssh_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ssh_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)
endif

check_PROGRAMS += tests/unit/test-ios-show tests/unit/test-ios-config
UNIT_TESTS += tests/unit/test-ios-show tests/unit/test-ios-config
tests_unit_test_ios_show_SOURCES = %D%/test-ios-show.c
tests_unit_test_ios_show_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ios_show_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)
tests_unit_test_ios_config_SOURCES = %D%/test-ios-config.c
tests_unit_test_ios_config_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ios_config_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)

# csr-dmvpn, from the inside.
check_PROGRAMS += tests/unit/test-csr-secrets
UNIT_TESTS += tests/unit/test-csr-secrets
tests_unit_test_csr_secrets_SOURCES = %D%/test-csr-secrets.c plugins/csr-dmvpn/secrets.c plugins/csr-dmvpn/device.c \
	plugins/csr-dmvpn/desired.c plugins/csr-dmvpn/launch.c plugins/csr-dmvpn/inputs.c \
	plugins/csr-dmvpn/facts.c
tests_unit_test_csr_secrets_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/csr-dmvpn
tests_unit_test_csr_secrets_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_csr_secrets_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)

# frr-dmvpn, from the inside.
check_PROGRAMS += tests/unit/test-frr-dmvpn
UNIT_TESTS += tests/unit/test-frr-dmvpn
tests_unit_test_frr_dmvpn_SOURCES = %D%/test-frr-dmvpn.c plugins/frr-dmvpn/facts.c plugins/frr-dmvpn/routing.c \
	plugins/frr-dmvpn/ipsec.c plugins/frr-dmvpn/system.c plugins/frr-dmvpn/compare.c plugins/frr-dmvpn/look.c \
	plugins/frr-dmvpn/vici.c plugins/frr-dmvpn/host.c plugins/frr-dmvpn/launch.c plugins/frr-dmvpn/scripts.c
tests_unit_test_frr_dmvpn_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/frr-dmvpn
tests_unit_test_frr_dmvpn_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_frr_dmvpn_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)
EXTRA_DIST += tests/unit/frr-dmvpn/spoke.txt tests/unit/frr-dmvpn/hub.txt tests/unit/frr-dmvpn/static.txt

# What the role's plugins share.
check_PROGRAMS += tests/unit/test-dmvpn-machine
UNIT_TESTS += tests/unit/test-dmvpn-machine
tests_unit_test_dmvpn_machine_SOURCES = %D%/test-dmvpn-machine.c
tests_unit_test_dmvpn_machine_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_dmvpn_machine_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)

# The router's stack, from the inside.
check_PROGRAMS += tests/unit/test-router-vm
UNIT_TESTS += tests/unit/test-router-vm
tests_unit_test_router_vm_SOURCES = %D%/test-router-vm.c sdk/lib/router/rules.c sdk/lib/router/changes.c
tests_unit_test_router_vm_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/sdk/lib/router
tests_unit_test_router_vm_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_router_vm_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-router-check
UNIT_TESTS += tests/unit/test-router-check
tests_unit_test_router_check_SOURCES = %D%/test-router-check.c %D%/httpd.c %D%/httpd.h
tests_unit_test_router_check_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_router_check_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

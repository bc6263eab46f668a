# One program a subject: check_PROGRAMS += tests/unit/test-x; UNIT_TESTS += tests/unit/test-x
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
UNIT_LIBS = $(CMOCKA_LIBS) $(JANSSON_LIBS)

include tests/unit/host.mk
include tests/unit/lab.mk

include tests/unit/cloud.mk

check_PROGRAMS += tests/unit/test-state
UNIT_TESTS += tests/unit/test-state
tests_unit_test_state_SOURCES = %D%/test-state.c $(STATE_SOURCES)
tests_unit_test_state_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
tests_unit_test_state_CFLAGS = $(UNIT_CFLAGS) $(SQLITE_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_state_LDADD = sdk/lib/libistbase.la $(UNIT_LIBS) $(SQLITE_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-render
UNIT_TESTS += tests/unit/test-render
tests_unit_test_render_SOURCES = %D%/test-render.c $(RENDER_SOURCES)
tests_unit_test_render_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
tests_unit_test_render_CFLAGS = $(UNIT_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_render_LDADD = sdk/lib/libistbase.la $(UNIT_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-netpol
UNIT_TESTS += tests/unit/test-netpol
tests_unit_test_netpol_SOURCES = %D%/test-netpol.c
tests_unit_test_netpol_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/k8s-netpol
tests_unit_test_netpol_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netpol_LDADD = tests/unit/libnetpol.la sdk/lib/libisthmus.la $(UNIT_LIBS)

include tests/unit/router.mk
include tests/unit/kube.mk
include tests/unit/reconciler.mk
include tests/unit/netpol.mk

include tests/unit/config.mk

check_PROGRAMS += tests/unit/test-crypto
UNIT_TESTS += tests/unit/test-crypto
tests_unit_test_crypto_SOURCES = %D%/test-crypto.c
tests_unit_test_crypto_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_crypto_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS)

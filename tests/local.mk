# UNIT_TESTS are programs; INTEGRATION_TESTS, REAL_TESTS and BENCHES are shell scripts. All but the last print TAP.

# What several unit tests and fuzzers are about is compiled once for all of them.
check_LTLIBRARIES += tests/unit/libnetpol.la tests/unit/libconfig.la
tests_unit_libnetpol_la_SOURCES = $(NETPOL_MODEL) $(NETPOL_MAP) $(NETPOL_WRITE)
tests_unit_libnetpol_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_libnetpol_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
tests_unit_libconfig_la_SOURCES = tests/unit/fake_catalog.c tests/unit/fake_catalog.h $(CONFIG_SOURCES)
tests_unit_libconfig_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_unit_libconfig_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(YAML_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_libconfig_la_LIBADD = sdk/lib/libistbase.la $(YAML_LIBS) $(CRYPTO_LIBS) $(JANSSON_LIBS)

if CMOCKA
include tests/unit/local.mk
endif
include tests/torture/local.mk
include tests/integration/local.mk
include tests/real/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk

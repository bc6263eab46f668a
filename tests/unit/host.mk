# Host, wire, worker and the plugins of the tests.

# A host in the test's own process, for unit tests of plugins: LDADD tests/unit/libfakehost.la.
check_LTLIBRARIES += tests/unit/libfakehost.la
tests_unit_libfakehost_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
tests_unit_libfakehost_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_libfakehost_la_LIBADD = core/host/libhost.la sdk/lib/libistbase.la $(CRYPTO_LIBS) $(JANSSON_LIBS)
tests_unit_libfakehost_la_SOURCES = %D%/fakehost.c %D%/fakehost.h core/host/solo.c

check_PROGRAMS += tests/unit/test-host-value
UNIT_TESTS += tests/unit/test-host-value
tests_unit_test_host_value_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_unit_test_host_value_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_host_value_LDADD = tests/unit/libfakehost.la $(UNIT_LIBS)
tests_unit_test_host_value_SOURCES = %D%/test-host-value.c

check_PROGRAMS += tests/unit/test-plugin-file
UNIT_TESTS += tests/unit/test-plugin-file
tests_unit_test_plugin_file_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_unit_test_plugin_file_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_plugin_file_LDADD = tests/unit/libfakehost.la $(UNIT_LIBS)
tests_unit_test_plugin_file_SOURCES = %D%/test-plugin-file.c

check_PROGRAMS += tests/unit/test-plugin-check
UNIT_TESTS += tests/unit/test-plugin-check
tests_unit_test_plugin_check_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_unit_test_plugin_check_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_plugin_check_LDADD = tests/unit/libfakehost.la sdk/lib/libisthmus.la $(UNIT_LIBS)
tests_unit_test_plugin_check_SOURCES = %D%/test-plugin-check.c

check_PROGRAMS += tests/unit/test-host-worker
UNIT_TESTS += tests/unit/test-host-worker
tests_unit_test_host_worker_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
tests_unit_test_host_worker_CFLAGS = $(UNIT_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_host_worker_LDADD = core/host/libhost.la sdk/lib/libistbase.la $(UNIT_LIBS) $(CRYPTO_LIBS)
tests_unit_test_host_worker_SOURCES = %D%/test-host-worker.c core/config/diag.c $(HOST_CLIENT_SOURCES)

check_PROGRAMS += tests/unit/test-host-loader
UNIT_TESTS += tests/unit/test-host-loader
tests_unit_test_host_loader_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_unit_test_host_loader_CFLAGS = $(UNIT_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_host_loader_LDADD = tests/unit/libfakehost.la core/host/libhost.la sdk/lib/libistbase.la \
	$(UNIT_LIBS) $(CRYPTO_LIBS)
tests_unit_test_host_loader_SOURCES = %D%/test-host-loader.c core/config/diag.c $(HOST_CLIENT_SOURCES)

check_PROGRAMS += tests/unit/test-host-wire
UNIT_TESTS += tests/unit/test-host-wire
tests_unit_test_host_wire_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
tests_unit_test_host_wire_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_host_wire_LDADD = core/host/libhost.la sdk/lib/libistbase.la $(UNIT_LIBS)
tests_unit_test_host_wire_SOURCES = %D%/test-host-wire.c

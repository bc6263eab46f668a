# One program a subject: check_PROGRAMS += tests/unit/test-x; UNIT_TESTS += tests/unit/test-x
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
UNIT_LIBS = $(CMOCKA_LIBS) $(JANSSON_LIBS)

check_PROGRAMS += tests/unit/test-http
UNIT_TESTS += tests/unit/test-http
tests_unit_test_http_SOURCES = %D%/test-http.c %D%/httpd.c %D%/httpd.h
tests_unit_test_http_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_http_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

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
check_PROGRAMS += tests/unit/test-state
UNIT_TESTS += tests/unit/test-state
tests_unit_test_state_SOURCES = %D%/test-state.c $(STATE_SOURCES)
tests_unit_test_state_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
tests_unit_test_state_CFLAGS = $(UNIT_CFLAGS) $(SQLITE_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_state_LDADD = sdk/lib/libistbase.la $(UNIT_LIBS) $(SQLITE_LIBS) $(CRYPTO_LIBS)

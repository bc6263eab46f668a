# The reconciler, with a model of the tests' own; plugin-tool of tests/real runs it against real API servers.
check_LTLIBRARIES += tests/unit/configmirror.la
tests_unit_configmirror_la_SOURCES = %D%/configmirror.c
tests_unit_configmirror_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_configmirror_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
tests_unit_configmirror_la_LDFLAGS = $(module_LDFLAGS) -rpath /nowhere

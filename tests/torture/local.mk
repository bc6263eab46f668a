# The engine over test files: every way a run can be cut short. KILLS=1000 make check for the long run.
INTEGRATION_TESTS += %D%/engine.sh %D%/kills.sh
EXTRA_DIST += %D%/files.sh

# The plugin that takes the place of test-file on a live step.
check_LTLIBRARIES += tests/torture/test-other.la
tests_torture_test_other_la_SOURCES = plugins/test-file/test-file.c plugins/test-file/files.c plugins/test-file/files.h
tests_torture_test_other_la_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_FILE_NAME='"test-other"' -DTEST_FILE_FLAGS=0
tests_torture_test_other_la_LDFLAGS = $(module_LDFLAGS) -rpath $(plugindir)
include tests/torture/bad.mk

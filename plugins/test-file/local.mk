# A plugin of the tests: built and found in the build tree, never installed. It needs libc and plugin.h alone.
noinst_LTLIBRARIES += plugins/test-file/test-file.la
plugins_test_file_test_file_la_SOURCES = %D%/test-file.c %D%/files.c %D%/files.h
plugins_test_file_test_file_la_LDFLAGS = $(module_LDFLAGS) -rpath $(plugindir)

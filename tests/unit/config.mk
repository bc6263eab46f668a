# Configuration, in process, against made-up plugins; the types of the tables.
CONFIG_TEST = %D%/config_fixture.c %D%/config_fixture.h
CONFIG_TEST_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
CONFIG_TEST_CFLAGS = $(UNIT_CFLAGS) $(YAML_CFLAGS) $(CRYPTO_CFLAGS)
CONFIG_TEST_LIBS = tests/unit/libconfig.la sdk/lib/libistbase.la $(UNIT_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-config tests/unit/test-config-junk tests/unit/test-schema
UNIT_TESTS += tests/unit/test-config tests/unit/test-config-junk tests/unit/test-schema
tests_unit_test_config_SOURCES = %D%/test-config.c $(CONFIG_TEST)
tests_unit_test_config_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_config_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_config_LDADD = $(CONFIG_TEST_LIBS)
tests_unit_test_config_junk_SOURCES = %D%/test-config-junk.c $(CONFIG_TEST)
tests_unit_test_config_junk_CPPFLAGS = $(CONFIG_TEST_CPPFLAGS)
tests_unit_test_config_junk_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_config_junk_LDADD = $(CONFIG_TEST_LIBS)
tests_unit_test_schema_SOURCES = %D%/test-schema.c
tests_unit_test_schema_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_schema_LDADD = sdk/lib/libistbase.la $(UNIT_LIBS) $(YAML_LIBS)

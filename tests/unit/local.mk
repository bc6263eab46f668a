# One program a subject: check_PROGRAMS += tests/unit/test-x; UNIT_TESTS += tests/unit/test-x
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
UNIT_LIBS = $(CMOCKA_LIBS) $(JANSSON_LIBS)

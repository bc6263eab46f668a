# What worker and core share: values, the wire, loading a plugin and running one operation of it.
noinst_LTLIBRARIES += core/host/libhost.la
core_host_libhost_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
core_host_libhost_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
core_host_libhost_la_LIBADD = sdk/lib/libistbase.la $(JANSSON_LIBS)
core_host_libhost_la_SOURCES = %D%/value.c %D%/value.h %D%/runner.c %D%/runner.h

core_isthmus_SOURCES += %D%/solo.c %D%/solo.h
core_isthmus_LDADD += core/host/libhost.la

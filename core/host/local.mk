# What worker and core share: values, the wire, loading a plugin and running one operation of it.
noinst_LTLIBRARIES += core/host/libhost.la
core_host_libhost_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
core_host_libhost_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
core_host_libhost_la_LIBADD = sdk/lib/libistbase.la $(JANSSON_LIBS)
core_host_libhost_la_SOURCES = %D%/value.c %D%/value.h %D%/runner.c %D%/runner.h %D%/renewal.c %D%/renewal.h %D%/wire.c %D%/wire.h \
	%D%/loader.c %D%/loader.h %D%/descriptor.c %D%/elf.c %D%/elf.h %D%/folder.c %D%/folder.h

# The core's side alone; tests compile it too.
HOST_CLIENT_SOURCES = core/host/environment.c core/host/environment.h \
	core/host/paths.c core/host/paths.h core/host/process.c core/host/process.h \
	core/host/worker_client.c core/host/worker.h core/host/worker_private.h core/host/pool.c \
	core/host/catalog.c core/host/catalog.h core/host/solo.c core/host/solo.h
core_isthmus_SOURCES += $(HOST_CLIENT_SOURCES)
core_isthmus_LDADD += core/host/libhost.la

bin_PROGRAMS += core/isthmus
core_isthmus_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
core_isthmus_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SQLITE_CFLAGS) $(YAML_CFLAGS) $(CRYPTO_CFLAGS)
core_isthmus_LDADD = sdk/lib/libistbase.la $(JANSSON_LIBS) $(SQLITE_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(LIBS)
core_isthmus_SOURCES = core/main.c core/sanitizers.c
include core/cli/local.mk
include core/config/local.mk
include core/engine/local.mk
include core/host/local.mk
include core/state/local.mk
include core/render/local.mk

# The worker: a small program that loads one plugin. It links no libisthmus and exports nothing.
worker_PROGRAMS += core/isthmus-worker
core_isthmus_worker_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
core_isthmus_worker_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
core_isthmus_worker_LDADD = core/host/libhost.la sdk/lib/libistbase.la $(JANSSON_LIBS) $(LIBS)
core_isthmus_worker_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
core_isthmus_worker_SOURCES = core/worker.c core/sanitizers.c

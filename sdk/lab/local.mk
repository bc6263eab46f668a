# The lab is a program of its own and links no libisthmus: what Isthmus sends is judged by other code.
worker_PROGRAMS += sdk/lab/isthmus-lab
sdk_lab_isthmus_lab_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir)/sdk/lab -Isdk/lab/host
sdk_lab_isthmus_lab_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(MHD_CFLAGS) $(SSH_CFLAGS) $(SSL_CFLAGS) $(GNUTLS_CFLAGS) $(YAML_CFLAGS)
sdk_lab_isthmus_lab_LDADD = $(JANSSON_LIBS) $(MHD_LIBS) $(SSH_LIBS) $(SSL_LIBS) $(GNUTLS_LIBS) $(CRYPTO_LIBS) $(YAML_LIBS)
EXTRA_DIST += %D%/README.md
sdk_lab_isthmus_lab_SOURCES = %D%/lab.h %D%/core.h %D%/main.c %D%/daemon.c %D%/control.c %D%/journal.c \
	%D%/fault.c %D%/timer.c %D%/util.c
include sdk/lab/http/local.mk
include sdk/lab/ccp/local.mk
include sdk/lab/aws/local.mk
include sdk/lab/kube/local.mk
include sdk/lab/router/local.mk
include sdk/lab/host/local.mk
include sdk/lab/net/local.mk

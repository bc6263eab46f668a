include plugins/k8s-netpol/map.mk
plugin_LTLIBRARIES += plugins/k8s-netpol/k8s-netpol.la
# The model of policies, which tests and fuzzers build too.
NETPOL_MODEL = plugins/k8s-netpol/table.c plugins/k8s-netpol/table.h plugins/k8s-netpol/names.c plugins/k8s-netpol/names.h \
	plugins/k8s-netpol/address.c plugins/k8s-netpol/address.h plugins/k8s-netpol/selector.c plugins/k8s-netpol/selector.h \
	plugins/k8s-netpol/conn.c plugins/k8s-netpol/conn.h plugins/k8s-netpol/rules.c plugins/k8s-netpol/rules.h \
	plugins/k8s-netpol/store.c plugins/k8s-netpol/store.h plugins/k8s-netpol/world.c plugins/k8s-netpol/world.h \
	plugins/k8s-netpol/meaning.c plugins/k8s-netpol/companion.c plugins/k8s-netpol/companion.h \
	plugins/k8s-netpol/shards.c plugins/k8s-netpol/shards.h plugins/k8s-netpol/flat.c plugins/k8s-netpol/flat.h plugins/k8s-netpol/ipset.c plugins/k8s-netpol/ipset.h
# What writes: the daemon's model and what it judges before.
NETPOL_WRITE = plugins/k8s-netpol/model.c plugins/k8s-netpol/model.h plugins/k8s-netpol/moves.c plugins/k8s-netpol/decide.c plugins/k8s-netpol/mesh.c \
	plugins/k8s-netpol/tell.c plugins/k8s-netpol/mirrored.c plugins/k8s-netpol/mirrored.h \
	plugins/k8s-netpol/pipeline.c plugins/k8s-netpol/pipeline.h plugins/k8s-netpol/cni.c plugins/k8s-netpol/cni.h \
	plugins/k8s-netpol/snat.c plugins/k8s-netpol/snat.h plugins/k8s-netpol/snat_read.c
plugins_k8s_netpol_k8s_netpol_la_SOURCES = %D%/netpol.c %D%/check.c %D%/check.h %D%/guard.c %D%/outside.c %D%/outside.h $(NETPOL_WRITE) $(NETPOL_MODEL) $(NETPOL_MAP) $(NETPOL_COMMANDS)
plugins_k8s_netpol_k8s_netpol_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_k8s_netpol_k8s_netpol_la_LIBADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)
plugins_k8s_netpol_k8s_netpol_la_LDFLAGS = $(module_LDFLAGS)

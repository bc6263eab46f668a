# Reachability, and the commands for people that show it.
NETPOL_MAP = plugins/k8s-netpol/classes.c plugins/k8s-netpol/classes.h plugins/k8s-netpol/reach.c plugins/k8s-netpol/reach.h \
	plugins/k8s-netpol/documents.c plugins/k8s-netpol/documents.h plugins/k8s-netpol/sources.c plugins/k8s-netpol/sources.h

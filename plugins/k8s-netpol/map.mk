# Reachability, and the commands for people that show it.
NETPOL_MAP = plugins/k8s-netpol/classes.c plugins/k8s-netpol/classes.h plugins/k8s-netpol/reach.c plugins/k8s-netpol/reach.h

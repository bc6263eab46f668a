# Reachability, and the commands for people that show it.
NETPOL_MAP = plugins/k8s-netpol/classes.c plugins/k8s-netpol/classes.h plugins/k8s-netpol/reach.c plugins/k8s-netpol/reach.h \
	plugins/k8s-netpol/documents.c plugins/k8s-netpol/documents.h plugins/k8s-netpol/sources.c plugins/k8s-netpol/sources.h
NETPOL_COMMANDS = plugins/k8s-netpol/commands.c plugins/k8s-netpol/commands.h plugins/k8s-netpol/session.c \
	plugins/k8s-netpol/session.h plugins/k8s-netpol/map.c plugins/k8s-netpol/map_dot.c plugins/k8s-netpol/expect.c \
	plugins/k8s-netpol/render.c plugins/k8s-netpol/explain.c plugins/k8s-netpol/chart.c plugins/k8s-netpol/chart.h \
	plugins/k8s-netpol/chart_graph.c plugins/k8s-netpol/chart_matrix.c

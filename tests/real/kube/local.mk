check_PROGRAMS += tests/real/kube/kube-tool
tests_real_kube_kube_tool_SOURCES = %D%/kube-tool.c
tests_real_kube_kube_tool_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_real_kube_kube_tool_LDADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)

check_PROGRAMS += tests/real/kube/kube-tool
tests_real_kube_kube_tool_SOURCES = %D%/kube-tool.c
tests_real_kube_kube_tool_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_real_kube_kube_tool_LDADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)

check_PROGRAMS += tests/real/kube/plugin-tool
tests_real_kube_plugin_tool_SOURCES = %D%/plugin-tool.c
tests_real_kube_plugin_tool_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
tests_real_kube_plugin_tool_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_real_kube_plugin_tool_LDADD = tests/unit/libfakehost.la $(JANSSON_LIBS)

REAL_TESTS += %D%/client.sh %D%/apply.sh %D%/lab.sh %D%/probe.sh %D%/federation.sh %D%/policy.sh
EXTRA_DIST += %D%/lib.sh

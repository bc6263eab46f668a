# A fuzz target is one file fuzz-X.c with LLVMFuzzerTestOneInput and a folder corpus/X. `make check` replays the
# corpus and mutants of it (replay.c); `make fuzz` lets libFuzzer look for more, FUZZ_SECONDS each.
FUZZ_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
if FUZZER
FUZZ_DRIVER =
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
else
FUZZ_DRIVER = tests/fuzz/replay.c
FUZZ_LINK = $(AM_LDFLAGS)
endif
FUZZ_TARGETS = tests/fuzz/fuzz-yaml tests/fuzz/fuzz-json
check_PROGRAMS += $(FUZZ_TARGETS)
INTEGRATION_TESTS += tests/fuzz/replay.sh
EXTRA_DIST += %D%/corpus

tests_fuzz_fuzz_yaml_SOURCES = %D%/fuzz-yaml.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_yaml_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_yaml_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_yaml_LDADD = sdk/lib/libistbase.la $(JANSSON_LIBS) $(YAML_LIBS)

tests_fuzz_fuzz_json_SOURCES = %D%/fuzz-json.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_json_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_json_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_json_LDADD = sdk/lib/libistbase.la $(JANSSON_LIBS)

# fuzz: every target under libFuzzer and the sanitizers, in a build of its own.
FUZZ_SECONDS = 20
fuzz:
	$(MKDIR_P) fuzz && cd fuzz && { test -f Makefile || $(abs_top_srcdir)/configure CC=clang --enable-sanitizers --enable-fuzzer; } && \
	$(MAKE) $(FUZZ_TARGETS) && for t in $(FUZZ_TARGETS); do \
	  name=$${t##*fuzz-}; mkdir -p found/$$name; \
	  ./$$t -max_total_time=$(FUZZ_SECONDS) -timeout=10 found/$$name $(abs_top_srcdir)/tests/fuzz/corpus/$$name || exit 1; \
	done
.PHONY: fuzz

FUZZ_TARGETS += tests/fuzz/fuzz-wire
tests_fuzz_fuzz_wire_SOURCES = %D%/fuzz-wire.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_wire_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core
tests_fuzz_fuzz_wire_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_wire_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_wire_LDADD = core/host/libhost.la sdk/lib/libistbase.la $(JANSSON_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-config
tests_fuzz_fuzz_config_SOURCES = %D%/fuzz-config.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_config_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_fuzz_fuzz_config_CFLAGS = $(FUZZ_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_config_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_config_LDADD = tests/unit/libconfig.la sdk/lib/libistbase.la $(JANSSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-ios
tests_fuzz_fuzz_ios_SOURCES = %D%/fuzz-ios.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_ios_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_ios_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_ios_LDADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)

# The session's own sources, so that its SSH is the fuzzer's.
FUZZ_TARGETS += tests/fuzz/fuzz-terminal
tests_fuzz_fuzz_terminal_SOURCES = %D%/fuzz-terminal.c sdk/lib/ios/burst.c sdk/lib/ios/change.c sdk/lib/ios/session.c \
	sdk/lib/ios/stream.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_terminal_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_terminal_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_terminal_LDADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-kube
tests_fuzz_fuzz_kube_SOURCES = %D%/fuzz-kube.c sdk/lib/kube/manifest.c sdk/lib/kube/manifest_compare.c sdk/lib/kube/manifest_check.c \
	plugins/k8s-apply/manifest.c plugins/k8s-apply/compare.c \
	plugins/k8s-apply/id.c plugins/k8s-probe/probe.c plugins/k8s-probe/check.c plugins/k8s-probe/picture.c plugins/k8s-probe/pods.c \
	plugins/k8s-probe/judge.c plugins/k8s-probe/snat.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_kube_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_kube_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_kube_LDADD = sdk/lib/libisthmus.la $(JANSSON_LIBS) $(CRYPTO_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-aws
tests_fuzz_fuzz_aws_SOURCES = %D%/fuzz-aws.c sdk/lib/aws/xml.c sdk/lib/aws/config.c sdk/lib/aws/fault.c sdk/lib/aws/endpoint.c sdk/lib/aws/sso-token.c \
	sdk/lib/aws/credentials-process.c sdk/lib/aws/credentials-read.c sdk/lib/http/trace.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_aws_CFLAGS = $(FUZZ_CFLAGS) $(CURL_CFLAGS) $(EXPAT_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_aws_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_aws_LDADD = sdk/lib/libisthmus.la sdk/lib/libistbase.la $(JANSSON_LIBS) $(EXPAT_LIBS) $(CRYPTO_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-policy
tests_fuzz_fuzz_policy_SOURCES = %D%/fuzz-policy.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_policy_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_policy_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_policy_LDADD = tests/unit/libnetpol.la sdk/lib/libisthmus.la $(JANSSON_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-proto
tests_fuzz_fuzz_proto_SOURCES = %D%/fuzz-proto.c $(KUBE_PROTO) $(FUZZ_DRIVER)
tests_fuzz_fuzz_proto_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_proto_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_proto_LDADD = sdk/lib/libisthmus.la $(JANSSON_LIBS)

if LAB
FUZZ_TARGETS += tests/fuzz/fuzz-typing
tests_fuzz_fuzz_typing_SOURCES = %D%/fuzz-typing.c sdk/lab/util.c sdk/lab/router/router.c sdk/lab/router/rules.c \
	sdk/lab/router/grammar.c sdk/lab/router/config.c sdk/lab/router/standing.c sdk/lab/router/session.c sdk/lab/router/typing.c sdk/lab/router/help.c \
	sdk/lab/router/exec.c sdk/lab/router/show.c sdk/lab/router/system.c sdk/lab/router/tunnel.c sdk/lab/router/routes.c \
	sdk/lab/router/acl.c $(FUZZ_DRIVER)
tests_fuzz_fuzz_typing_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir)/sdk/lab
tests_fuzz_fuzz_typing_CFLAGS = $(FUZZ_CFLAGS) $(SSH_CFLAGS)
tests_fuzz_fuzz_typing_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_typing_LDADD = $(JANSSON_LIBS) $(SSH_LIBS)
endif

# libistbase: what both the core and libisthmus are built on; linked into each, exported by neither.
noinst_LTLIBRARIES += sdk/lib/libistbase.la
sdk_lib_libistbase_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(YAML_CFLAGS) $(CRYPTO_CFLAGS)
sdk_lib_libistbase_la_LIBADD = $(JANSSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS)
sdk_lib_libistbase_la_SOURCES =
include sdk/lib/base/local.mk

# libisthmus: what a plugin is written with.
lib_LTLIBRARIES += sdk/lib/libisthmus.la
sdk_lib_libisthmus_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(YAML_CFLAGS) $(CRYPTO_CFLAGS) $(CURL_CFLAGS) \
	$(SSH2_CFLAGS) $(EXPAT_CFLAGS)
sdk_lib_libisthmus_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0
sdk_lib_libisthmus_la_LIBADD = sdk/lib/libistbase.la $(JANSSON_LIBS) $(YAML_LIBS) $(CRYPTO_LIBS) $(CURL_LIBS) \
	$(SSH2_LIBS) $(EXPAT_LIBS)
sdk_lib_libisthmus_la_SOURCES =
include sdk/lib/plugin/local.mk
include sdk/lib/crypto/local.mk
include sdk/lib/file/local.mk
include sdk/lib/http/local.mk
include sdk/lib/aws/local.mk
include sdk/lib/kube/local.mk
include sdk/lib/ssh/local.mk
include sdk/lib/ios/local.mk
include sdk/lib/router/local.mk
include sdk/lib/dmvpn/local.mk

# HTTP, AWS and the plugins that stand on them.
check_PROGRAMS += tests/unit/test-http
UNIT_TESTS += tests/unit/test-http
tests_unit_test_http_SOURCES = %D%/test-http.c %D%/fake-call.c %D%/fake-call.h %D%/httpd.c %D%/httpd.h
tests_unit_test_http_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_http_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

# The signer is tested from the inside: its canonical forms are nobody else's business.
check_PROGRAMS += tests/unit/test-sigv4
UNIT_TESTS += tests/unit/test-sigv4
tests_unit_test_sigv4_SOURCES = %D%/test-sigv4.c sdk/lib/aws/sigv4.c sdk/lib/http/url.c
tests_unit_test_sigv4_CFLAGS = $(UNIT_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_sigv4_LDADD = sdk/lib/libistbase.la $(UNIT_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-aws
UNIT_TESTS += tests/unit/test-aws
AWS_WORLD = tests/unit/aws-world.c tests/unit/aws-world.h tests/unit/fake-call.c tests/unit/fake-call.h tests/unit/httpd.c tests/unit/httpd.h tests/unit/eks-token.c tests/unit/eks-token.h
tests_unit_test_aws_SOURCES = %D%/test-aws.c $(AWS_WORLD)
tests_unit_test_aws_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_aws_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-aws-credentials
UNIT_TESTS += tests/unit/test-aws-credentials
tests_unit_test_aws_credentials_SOURCES = %D%/test-aws-credentials.c $(AWS_WORLD)
tests_unit_test_aws_credentials_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_aws_credentials_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-aws-adverse
UNIT_TESTS += tests/unit/test-aws-adverse
tests_unit_test_aws_adverse_SOURCES = %D%/test-aws-adverse.c $(AWS_WORLD)
tests_unit_test_aws_adverse_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_aws_adverse_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-aws-endpoints
UNIT_TESTS += tests/unit/test-aws-endpoints
tests_unit_test_aws_endpoints_SOURCES = %D%/test-aws-endpoints.c $(AWS_WORLD)
tests_unit_test_aws_endpoints_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_aws_endpoints_LDADD = sdk/lib/libisthmus.la $(UNIT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test-ccp
UNIT_TESTS += tests/unit/test-ccp
tests_unit_test_ccp_SOURCES = %D%/test-ccp.c %D%/ccp-world.c %D%/ccp-world.h %D%/httpd.c %D%/httpd.h
tests_unit_test_ccp_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/core -I$(top_srcdir)/tests/unit
tests_unit_test_ccp_CFLAGS = $(UNIT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_test_ccp_LDADD = tests/unit/libfakehost.la $(UNIT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

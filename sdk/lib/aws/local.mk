# libisthmus: aws
sdk_lib_libisthmus_la_SOURCES += %D%/client.c %D%/config.c %D%/credentials.c %D%/credentials-metadata.c \
	%D%/credentials-process.c %D%/credentials-read.c %D%/credentials-profile.c %D%/credentials-sso.c %D%/sso-token.c %D%/sso.h %D%/credentials-sts.c %D%/endpoint.c %D%/fault.c %D%/offers.c %D%/paginate.c %D%/presign.c \
	%D%/query.c %D%/rest.c %D%/role.c %D%/blockers.c %D%/sigv4.c %D%/xml.c %D%/internal.h %D%/sigv4.h

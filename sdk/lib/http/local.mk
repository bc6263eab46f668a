# libisthmus: http
sdk_lib_libisthmus_la_SOURCES += %D%/http.c %D%/session.c %D%/exchange.c %D%/trace.c %D%/url.c %D%/retry.c %D%/stream.c \
	%D%/internal.h

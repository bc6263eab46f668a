sdk_lab_isthmus_lab_SOURCES += %D%/http.c %D%/tls.c

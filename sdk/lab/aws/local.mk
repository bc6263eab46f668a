sdk_lab_isthmus_lab_SOURCES += %D%/aws.c %D%/aws.h

# libisthmus: http

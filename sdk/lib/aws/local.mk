# libisthmus: aws

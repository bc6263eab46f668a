# libisthmus: ios

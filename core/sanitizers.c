// What this program asks of the address sanitizer when it is built with it (configure --enable-sanitizers).
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
// Found by the runtime by its name.
__attribute__((visibility("default"))) const char *__asan_default_options(void);

// gcc 12's runtime guesses from the bytes before it how large the thread-local storage of a library is that was loaded
// later; where the guess is wrong its leak checker reads from nowhere, crashes, and has checked nothing. Such storage
// is found from the thread's own all the same.
const char *__asan_default_options(void)
{
    return "intercept_tls_get_addr=0";
}
#endif

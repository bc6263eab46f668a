// Stands in for the service manager in the tests: takes datagrams at a socket and appends each to a file, a line for each
// of its lines, until it is killed. notify-listen SOCKET FILE
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char bytes[4096];
    if (argc != 3 || strlen(argv[1]) >= sizeof(address.sun_path))
        return 2;
    memcpy(address.sun_path, argv[1], strlen(argv[1]));
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    FILE *to = fopen(argv[2], "ae");
    if (fd < 0 || !to || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return 1;
    for (ssize_t n; (n = recv(fd, bytes, sizeof(bytes), 0)) >= 0;) {
        fwrite(bytes, 1, (size_t)n, to);
        fputc('\n', to);
        fflush(to);
    }
    fclose(to);
    return 1;
}

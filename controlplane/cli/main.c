/* main.c - the `weir` command. */
#include <signal.h>

#include "controlplane/cli/cli.h"

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* `weir calls | head` ends by an error of write */
    return weir_cli_main(argc, argv);
}

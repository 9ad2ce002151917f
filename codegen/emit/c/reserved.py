"""What a name in C code, or that of a file or target beside it, must not be, since a library or a tool has it."""

from __future__ import annotations

PLATFORM = """
    AF_DECnet I L_ctermid L_tmpnam PF_DECnet P_tmpdir a64l accept access acct active_reg_t addseverity adjtime
    alarm alloca alphasort arc4random arc4random_buf arc4random_uniform asctime asctime_r atexit atof atoi atol
    atoll basename bcmp bcopy be16toh be32toh be64toh bind bindresvport bindresvport6 blkcnt_t blksize_t brk
    bsearch btowc bzero cabs cabsf cabsl cacos cacosf cacosh cacoshf cacoshl cacosl caddr_t calloc carg cargf
    cargl casin casinf casinh casinhf casinhl casinl catan catanf catanh catanhf catanhl catanl catclose catgets
    catopen cc_t ccos ccosf ccosh ccoshf ccoshl ccosl cexp cexpf cexpl cfgetispeed cfgetospeed cfmakeraw
    cfsetispeed cfsetospeed cfsetspeed chdir chmod chown chroot cimag cimagf cimagl clearenv clearerr
    clearerr_unlocked clock_getcpuclockid clock_getres clock_gettime clock_nanosleep clock_settime clock_t
    clockid_t clog clogf clogl close closedir closefrom closelog confstr conj conjf conjl connect cpow cpowf
    cpowl cproj cprojf cprojl creal crealf creall creat crypt csin csinf csinh csinhf csinhl csinl csqrt csqrtf
    csqrtl ctan ctanf ctanh ctanhf ctanhl ctanl ctermid ctime ctime_r d_fileno daddr_t daemon daylight dev_t
    difftime dirfd dirname dlclose dlerror dlopen dlsym double_t dprintf drand48 drand48_r dup dup2 duplocale
    dysize ecvt ecvt_r endgrent endhostent endnetent endnetgrent endprotoent endpwent endrpcent endservent
    endusershell endutxent erand48 erand48_r execl execle execlp execv execve execvp explicit_bzero faccessat
    fchdir fchmod fchmodat fchown fchownat fclose fcntl fcvt fcvt_r fd_mask fdatasync fdopen fdopendir
    feclearexcept fegetenv fegetexceptflag fegetround feholdexcept feof feof_unlocked feraiseexcept ferror
    ferror_unlocked fesetenv fesetexceptflag fesetround fetestexcept feupdateenv fexcept_t fexecve fflush
    fflush_unlocked ffs ffsl ffsll fgetc fgetc_unlocked fgetgrent fgetgrent_r fgetpos fgetpwent fgetpwent_r
    fgets fgetwc fgetws fileno fileno_unlocked finite finitef finitel float_t flockfile fmemopen fmtmsg fnmatch
    fopen fork fpathconf fpos_t fpregset_t fprintf fputc fputc_unlocked fputs fputwc fputws fread fread_unlocked
    freeaddrinfo freelocale freopen fsblkcnt_t fscanf fseek fseeko fsetpos fsfilcnt_t fsid_t fstat fstatat fsync
    ftell ftello ftruncate ftrylockfile ftw funlockfile futimens futimes fwide fwprintf fwrite fwrite_unlocked
    fwscanf gai_strerror gcvt getaddrinfo getc getc_unlocked getchar getchar_unlocked getcwd getdate getdate_err
    getdelim getdirentries getdomainname getdtablesize getegid getenv geteuid getgid getgrent getgrgid
    getgrgid_r getgrnam getgrnam_r getgrouplist getgroups gethostbyaddr gethostbyaddr_r gethostbyname
    gethostbyname2 gethostbyname2_r gethostbyname_r gethostent gethostent_r gethostid gethostname getitimer
    getline getloadavg getlogin getlogin_r getnameinfo getnetbyaddr getnetbyaddr_r getnetbyname getnetbyname_r
    getnetent getnetent_r getnetgrent getnetgrent_r getopt getpagesize getpass getpeername getpgid getpgrp
    getpid getppid getpriority getprotobyname getprotobyname_r getprotobynumber getprotobynumber_r getprotoent
    getprotoent_r getpwent getpwent_r getpwnam getpwnam_r getpwuid getpwuid_r getrlimit getrpcbyname
    getrpcbyname_r getrpcbynumber getrpcbynumber_r getrpcent getrpcent_r getrusage gets getservbyname
    getservbyname_r getservbyport getservbyport_r getservent getservent_r getsid getsockname getsockopt
    getsubopt gettimeofday getuid getusershell getutxent getutxid getutxline getw getwc getwchar getwd gid_t
    glob globfree gmtime gmtime_r grantpt greg_t gsignal h_addr h_errno hcreate hdestroy herror hsearch
    hstrerror htobe16 htobe32 htole16 htole32 htonl htons iconv iconv_close iconv_open iconv_t id_t
    if_freenameindex if_indextoname if_nameindex if_nametoindex imaxabs imaxdiv in_addr_t in_port_t inet_addr
    inet_aton inet_lnaof inet_makeaddr inet_net_ntop inet_net_pton inet_neta inet_netof inet_network
    inet_nsap_addr inet_nsap_ntoa inet_ntoa inet_ntop inet_pton initgroups initstate initstate_r innetgr ino_t
    insque int_fast16_t int_fast32_t int_fast64_t int_fast8_t int_least16_t int_least32_t int_least64_t
    int_least8_t iruserok iruserok_af isalnum isalnum_l isalpha isalpha_l isascii isascii_l isatty isblank
    isblank_l iscntrl iscntrl_l isdigit isdigit_l isfdtype isgraph isgraph_l islower islower_l isprint isprint_l
    ispunct ispunct_l isspace isspace_l isupper isupper_l iswalnum iswalnum_l iswalpha iswalpha_l iswblank
    iswblank_l iswcntrl iswcntrl_l iswctype iswctype_l iswdigit iswdigit_l iswgraph iswgraph_l iswlower
    iswlower_l iswprint iswprint_l iswpunct iswpunct_l iswspace iswspace_l iswupper iswupper_l iswxdigit
    iswxdigit_l isxdigit isxdigit_l jrand48 jrand48_r key_t kill killpg l64a lchmod lchown lcong48 lcong48_r
    ldiv le16toh le32toh le64toh lfind lgamma_r lgammaf_r lgammal_r link linkat lio_listio listen lldiv locale_t
    localeconv localtime localtime_r lockf loff_t longjmp lrand48 lrand48_r lsearch lseek lstat lutimes madvise
    math_errhandling mblen mbrlen mbrtowc mbsinit mbsnrtowcs mbsrtowcs mbstate_t mbstowcs mbtowc memccpy memchr
    memcmp memmove mincore mkdir mkdirat mkdtemp mkfifo mkfifoat mknod mknodat mkstemp mkstemps mktemp mktime
    mlock mlockall mmap mode_t mprotect mqd_t mrand48 mrand48_r msync munlock munlockall munmap nanosleep
    newlocale nfds_t nftw nice nl_catd nl_item nl_langinfo nl_langinfo_l nlink_t nrand48 nrand48_r ntohl ntohs
    off_t on_exit open open_memstream open_wmemstream openat opendir openlog optarg opterr optind optopt
    pathconf pause pclose perror pid_t pipe poll popen pread preadv profil pselect psiginfo psignal ptsname putc
    putc_unlocked putchar putchar_unlocked putenv putpwent pututxline putw putwc putwchar pwrite pwritev qecvt
    qecvt_r qfcvt qfcvt_r qgcvt qsort quad_t raise rand rand_r random random_r rcmd rcmd_af re_syntax_options
    read readdir readdir_r readlink readlinkat readv realloc reallocarray realpath recv recvfrom recvmsg
    reg_syntax_t regcomp regerror regex_t regexec regfree regoff_t remove remque rename renameat revoke rewind
    rewinddir rexec rexec_af rindex rlim_t rmdir rpmatch rresvport rresvport_af ruserok ruserok_af s_reg_t sbrk
    scalb scalbf scalbl scandir scanf seed48 seed48_r seekdir select sem_close sem_destroy sem_getvalue sem_init
    sem_open sem_post sem_timedwait sem_trywait sem_unlink sem_wait send sendmsg sendto setbuf setbuffer
    setdomainname setegid setenv seteuid setgid setgrent setgroups sethostent sethostid sethostname setitimer
    setjmp setlinebuf setlocale setlogin setlogmask setnetent setnetgrent setpgid setpgrp setpriority
    setprotoent setpwent setregid setreuid setrlimit setrpcent setservent setsid setsockopt setstate setstate_r
    settimeofday setuid setusershell setutxent setvbuf shm_open shm_unlink shutdown sig_atomic_t sig_t sigaction
    sigaddset sigaltstack sigblock sigdelset sigemptyset sigev_notify_attributes sigev_notify_function
    sigfillset siggetmask sighold sigignore siginterrupt sigismember siglongjmp sigmask signal sigpause
    sigpending sigprocmask sigqueue sigrelse sigreturn sigset sigset_t sigsetjmp sigsetmask sigstack sigsuspend
    sigtimedwait sigval_t sigwait sigwaitinfo sleep snprintf sockatmark socket socketpair socklen_t speed_t
    sprintf srand srand48 srand48_r srandom srandom_r sscanf ssignal ssize_t st_atime st_ctime st_mtime stat
    stderr stdin stdout stpcpy stpncpy strcasecmp strcasecmp_l strcat strchr strcmp strcoll strcoll_l strcpy
    strcspn strdup strerror strerror_l strerror_r strfmon strfmon_l strftime strftime_l strlen strncasecmp
    strncasecmp_l strncat strncmp strncpy strndup strnlen strpbrk strptime strrchr strsep strsignal strspn
    strstr strtod strtof strtoimax strtok strtok_r strtol strtold strtoll strtoq strtoul strtoull strtoumax
    strtouq strxfrm strxfrm_l suseconds_t swab swprintf swscanf symlink symlinkat sync syscall sysconf syslog
    system tcdrain tcflag_t tcflow tcflush tcgetattr tcgetpgrp tcgetsid tcsendbreak tcsetattr tcsetpgrp tdelete
    telldir tempnam tfind time_t timegm timelocal timer_create timer_delete timer_getoverrun timer_gettime
    timer_settime timer_t timeradd timerclear timercmp timerisset timersub times timezone tmpfile tmpnam
    tmpnam_r toascii toascii_l tolower tolower_l toupper toupper_l towctrans towctrans_l towlower towlower_l
    towupper towupper_l truncate tsearch ttyname ttyname_r ttyslot twalk tzname tzset u_char u_int u_int16_t
    u_int32_t u_int64_t u_int8_t u_long u_quad_t u_short ualarm uid_t uint uint_fast16_t uint_fast32_t
    uint_fast64_t uint_fast8_t uint_least16_t uint_least32_t uint_least64_t uint_least8_t ulimit ulong umask
    uname ungetc ungetwc unlink unlinkat unlockpt unsetenv useconds_t uselocale ushort usleep utime utimensat
    utimes va_arg va_copy va_end va_list va_start valloc vdprintf vfork vfprintf vfscanf vfwprintf vfwscanf
    vhangup vprintf vscanf vsnprintf vsprintf vsscanf vswprintf vswscanf vsyslog vwprintf vwscanf wait wait3
    wait4 waitid waitpid wcpcpy wcpncpy wcrtomb wcscasecmp wcscasecmp_l wcscat wcschr wcscmp wcscoll wcscoll_l
    wcscpy wcscspn wcsdup wcsftime wcslen wcsncasecmp wcsncasecmp_l wcsncat wcsncmp wcsncpy wcsnlen wcsnrtombs
    wcspbrk wcsrchr wcsrtombs wcsspn wcsstr wcstod wcstof wcstoimax wcstok wcstol wcstold wcstoll wcstombs
    wcstoul wcstoull wcstoumax wcswcs wcswidth wcsxfrm wcsxfrm_l wctob wctomb wctrans wctrans_l wctrans_t wctype
    wctype_l wctype_t wcwidth wint_t wmemchr wmemcmp wmemcpy wmemmove wmemset wordexp wordfree wprintf write
    writev wscanf
"""
"""Functions, types, variables and macros of the headers of C99 and POSIX.1-2008, beside those of mathematics."""
PATTERNS = (
    "[A-Z][A-Z0-9_]*[A-Z_][A-Z0-9_]*",
    "B[0-9]+0+",
    "(PRI|SCN)[a-zX].*",
    "(aio|if[acr]|in6addr|mq|posix|pthread|s6|sa|sched|si)_.*",
)
"""Macros are in capitals, also with digits; what else is named alike in these headers."""
HEADERS = """
    aio aliases alloca ar assert byteswap complex cpio crypt ctype dirent dlfcn elf endian err errno error
    execinfo fcntl features fenv float fmtmsg fnmatch fstab fts ftw getopt glob grp iconv ifaddrs inttypes io
    iso646 langinfo libgen libintl limits link locale malloc math memory mntent monetary mqueue netdb nl_types
    obstack paths poll printf process pthread pwd regex regexp resolv sched search semaphore setjmp sgtty shadow
    signal spawn stab stdalign stdarg stdatomic stdbool stdckdint stdbit stddef stdint stdio stdlib stdnoreturn
    string strings stropts syscall sysexits syslog tar termio termios tgmath threads time trace uchar ucontext
    ulimit unistd utime utmp utmpx values varargs wait wchar wctype windows wordexp
"""
"""A file of that name beside the code would be found in place of the system's header."""
TARGETS = """
    all all_build clean continuous debug depend edit_cache experimental general help install list_install_components
    nightly optimized package package_source preinstall rebuild_cache run_tests test zero_check c m
"""
"""Targets that CMake, make or Ninja have, words before a library, and libraries that programs are linked with."""

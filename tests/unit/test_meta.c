/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metadata of containers: as podman and docker write it (tests/fixtures), and as somebody would write it who wants to
 * be taken for another, to be overlooked, or to bring the reader down.
 */
#include "unit.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "fixture.h"
#include "parse/meta-priv.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/resolvers.h"

#define WEB1 "8eefbd2cc0824e257770b640bf4baf149f099a0c35ffbdf84ac64778e408833f"
#define COOL "49214da211e89fb95fa7693f0fdea7245dafd4a83f9a22266ebcc1cb8e852588"
#define IMAGE "042d9e702445be53f0fb8b5611255a13f76bfd51b0e521a6b710c4368124b389"
#define MANIFEST "2872b8212d29d38bc3adeae6ac3a5e2588f786dc511dd6c83ed20a858efea66c"
#define ROOT "/var/lib/containers/storage"

static struct meta *new_meta(const char *id, const char *runtime)
{
        struct meta *m = NULL;

        CU_ASSERT_EQUAL_FATAL(meta_new(bytes_str(id), bytes_str(runtime), &m), 0);
        return m;
}

static int temp_file(const void *p, size_t len)
{
        char path[] = "/tmp/tidemark-test-XXXXXX";
        int fd = mkstemp(path);

        CU_ASSERT_FATAL(fd >= 0);
        unlink(path);
        CU_ASSERT_EQUAL_FATAL(write(fd, p, len), (ssize_t)len);
        return fd;
}

static void give(struct meta *m, enum metafile kind, const char *fixture, const char *path)
{
        int fd = fixture_open(fixture);

        CU_ASSERT_FATAL(fd >= 0);
        meta_file(m, kind, fd, bytes_str(path));
        close(fd);
}

static void give_bytes(struct meta *m, enum metafile kind, const void *p, size_t len, const char *path)
{
        int fd = temp_file(p, len);

        meta_file(m, kind, fd, bytes_str(path));
        close(fd);
}

static void give_text(struct meta *m, enum metafile kind, const char *text, const char *path)
{
        give_bytes(m, kind, text, strlen(text), path);
}

static void give_containers(struct meta *m)
{
        give(m, METAFILE_PODMAN_CONTAINERS, "podman/containers.json", ROOT "/overlay-containers/containers.json");
}
static void give_images(struct meta *m)
{
        give(m, METAFILE_PODMAN_IMAGES, "podman/images.json", ROOT "/overlay-images/images.json");
}
static void give_db(struct meta *m)
{
        give(m, METAFILE_PODMAN_DB, "podman/bolt_state.db", ROOT "/libpod/bolt_state.db");
}
static void give_image(struct meta *m)
{
        give(m, METAFILE_PODMAN_IMAGE_CONFIG, "podman/image-config.json", ROOT "/overlay-images/" IMAGE "/x");
}

static void is(struct bytes b, const char *expected)
{
        bool same = bytes_eq(b, bytes_str(expected));

        CU_ASSERT(same);
        if (!same)
                printf("\n  is       %.*s\n  expected %s\n", (int)b.len, (const char *)b.p, expected);
}

static bool has(struct bytes b, const char *part)
{
        char text[4096];
        bool yes;

        snprintf(text, sizeof(text), "%.*s", (int)b.len, b.len ? (const char *)b.p : "");
        yes = strstr(text, part) != NULL;
        if (!yes)
                printf("\n  \"%s\" lacks \"%s\"\n", text, part);
        return yes;
}

/* A list as "key=value key=value". */
static void list_is(struct bytes list, const char *expected)
{
        _cleanup_buf_ struct buf b;
        struct bytes k, v;
        struct rd r;

        buf_init(&b, 1 << 20);
        rd_init(&r, list.p, list.len);
        while (tide_list_next(&r, &k, &v)) {
                buf_put_str(&b, b.len ? " " : "");
                buf_put(&b, k.p, k.len);
                buf_put_str(&b, "=");
                buf_put(&b, v.p, v.len);
        }
        is(buf_bytes(&b), expected);
}

static unsigned list_len(struct bytes list)
{
        struct bytes k, v;
        unsigned n = 0;
        struct rd r;

        rd_init(&r, list.p, list.len);
        while (tide_list_next(&r, &k, &v))
                n++;
        return n;
}

static void no_damage(const struct meta *m)
{
        struct meta_stats s;

        meta_stats(m, &s);
        CU_ASSERT_EQUAL(s.malformed + s.too_large + s.cut, 0);
}

static void check_web1(struct meta *m)
{
        struct tide_event ev;
        struct tide_content *c = &ev.content;

        meta_content(m, &ev);
        CU_ASSERT_EQUAL(ev.kind, TIDE_CONTENT);
        is(ev.container, WEB1);
        is(c->runtime, "podman");
        is(c->name, "web1");
        CU_ASSERT_EQUAL(c->name_given, 1);
        is(c->image_ref, "localhost/web:1");
        is(c->config_digest, "sha256:" IMAGE);
        is(c->config_source, ROOT "/overlay-images/images.json");
        is(c->manifest_digest, "sha256:" MANIFEST);
        is(c->manifest_source,
           ROOT "/overlay-images/images.json (made or imported on this host: no registry knows it)");
        list_is(c->labels, "shared=container team=blue");
        list_is(c->image_labels, "org.example.image=brought shared=image");
        CU_ASSERT(bytes_eq(c->health, BYTES_LIT("sh\0-c\0/bin/sh -c \"ls /\"")));
        CU_ASSERT(has(c->created, "2026-11-24T11:19:27."));
        no_damage(m);
}

static void test_podman(void)
{
        struct meta *m = new_meta(WEB1, "podman");
        struct metafile_want w;

        CU_ASSERT_EQUAL(meta_wants(m, &w, 1), 0);
        give_containers(m);
        CU_ASSERT_EQUAL(meta_wants(m, &w, 1), 0);
        give_images(m);
        CU_ASSERT_EQUAL(meta_wants(m, &w, 0), 0);
        CU_ASSERT_EQUAL(meta_wants(m, &w, 1), 1);
        CU_ASSERT_EQUAL(w.kind, METAFILE_PODMAN_IMAGE_CONFIG);
        CU_ASSERT_STRING_EQUAL(w.path,
                               ROOT "/overlay-images/" IMAGE "/=c2hhMjU2OjA0MmQ5ZTcwMjQ0NWJlNTNmMGZiOGI1NjExMjU1"
                                    "YTEzZjc2YmZkNTFiMGU1MjFhNmI3MTBjNDM2ODEyNGIzODk=");
        CU_ASSERT_EQUAL(meta_wants(m, &w, 1), 0);
        give_db(m);
        give_image(m);
        check_web1(m);
        check_web1(m);
        meta_free(m);
}

static void test_order(void)
{
        static void (*const give_one[])(struct meta *) = {give_containers, give_images, give_db};
        static const unsigned order[][3] = {{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

        for (size_t i = 0; i < ARRAY_LEN(order); i++) {
                struct meta *m = new_meta(WEB1, "podman");
                struct metafile_want w;

                for (size_t k = 0; k < 3; k++)
                        give_one[order[i][k]](m);
                CU_ASSERT_EQUAL(meta_wants(m, &w, 1), 1);
                give_image(m);
                check_web1(m);
                meta_free(m);
        }
}

static void test_another(void)
{
        struct meta *m = new_meta(COOL, "podman");
        struct tide_event ev;

        give_containers(m);
        give_images(m);
        give_db(m);
        give_image(m);
        meta_content(m, &ev);
        is(ev.content.name, "cool_babbage");
        CU_ASSERT_EQUAL(ev.content.name_given, 0);
        list_is(ev.content.labels, "");
        CU_ASSERT_EQUAL(ev.content.health.len, 0);
        no_damage(m);
        meta_free(m);
}

static void test_unknown(void)
{
        struct meta *m = new_meta("0123456789ab", "podman");
        struct tide_event ev;

        meta_content(m, &ev);
        CU_ASSERT_EQUAL(ev.content.config_digest.len + ev.content.manifest_digest.len + ev.content.name.len, 0);
        CU_ASSERT_EQUAL(ev.content.name_given, 0);
        CU_ASSERT(has(ev.content.config_source, "containers.json could not be opened"));
        give_containers(m);
        give_db(m);
        meta_content(m, &ev);
        CU_ASSERT_EQUAL(ev.content.config_digest.len + ev.content.manifest_digest.len + ev.content.name.len, 0);
        CU_ASSERT(has(ev.content.config_source, "containers.json does not have it"));
        CU_ASSERT(has(ev.content.config_source, "labels unknown: " ROOT "/libpod/bolt_state.db does not have it"));
        CU_ASSERT(has(ev.content.manifest_source, "containers.json does not have it"));
        no_damage(m);
        meta_free(m);
}

/* As with podman 5, which has no bolt_state.db; and with an image that was deleted under the container. */
static void test_some_missing(void)
{
        struct meta *m = new_meta(WEB1, "podman");
        struct tide_event ev;

        give_containers(m);
        meta_content(m, &ev);
        is(ev.content.name, "web1");
        CU_ASSERT_EQUAL(ev.content.name_given, 1);
        is(ev.content.config_digest, "sha256:" IMAGE);
        CU_ASSERT(has(ev.content.config_source,
                      "containers.json (the image's id; overlay-images/images.json could not be opened)"));
        CU_ASSERT(has(ev.content.config_source, "labels unknown: libpod/bolt_state.db could not be opened"));
        CU_ASSERT(has(ev.content.config_source, "db.sql"));
        CU_ASSERT_EQUAL(ev.content.manifest_digest.len, 0);
        CU_ASSERT(has(ev.content.manifest_source, "unknown: "));
        give_text(m, METAFILE_PODMAN_IMAGES, "[]", "/i/images.json");
        meta_content(m, &ev);
        CU_ASSERT(has(ev.content.config_source, "/i/images.json does not have it"));
        no_damage(m);
        meta_free(m);
}

/* Without the image's own labels none is taken for the container's. */
static void test_image_unread(void)
{
        struct meta *m = new_meta(WEB1, "podman");
        struct tide_event ev;

        give_containers(m);
        give_images(m);
        give_db(m);
        meta_content(m, &ev);
        CU_ASSERT_EQUAL(ev.content.labels.len + ev.content.image_labels.len, 0);
        CU_ASSERT(has(ev.content.config_source, "labels unknown, as the image's own cannot be told apart"));
        /* One that is not what its digest says is not the image's. */
        give_text(m, METAFILE_PODMAN_IMAGE_CONFIG, "{\"config\":{\"Labels\":{}}}", "/x/config");
        meta_content(m, &ev);
        CU_ASSERT_EQUAL(ev.content.labels.len + ev.content.image_labels.len, 0);
        CU_ASSERT(has(ev.content.config_source, "/x/config does not have the digest it is stored under"));
        meta_free(m);
}

static void hex_digest(const char *text, char ret[65])
{
        unsigned char sum[32];
        unsigned n = 0;

        CU_ASSERT_EQUAL_FATAL(EVP_Digest(text, strlen(text), sum, &n, EVP_sha256(), NULL), 1);
        for (unsigned i = 0; i < 32; i++)
                snprintf(ret + 2 * i, 3, "%02x", sum[i]);
}

/* A docker container of the image with this configuration, whose labels are {"a":"1","b":"2"}. */
static void docker_with(const char *image, struct meta **ret, struct tide_event *ev)
{
        char text[1024], hex[65];
        struct metafile_want w;
        struct meta *m = new_meta("c1", "docker");

        hex_digest(image, hex);
        snprintf(text, sizeof(text),
                 "{\"ID\":\"c1\",\"Driver\":\"overlay2\",\"Image\":\"sha256:%s\",\"Name\":\"/web\",\"Config\":"
                 "{\"Image\":\"web:1\",\"Labels\":{\"a\":\"1\",\"b\":\"2\"}}}",
                 hex);
        give_text(m, METAFILE_DOCKER_CONFIG, text, "/var/lib/docker/containers/c1/config.v2.json");
        CU_ASSERT_EQUAL(meta_wants(m, &w, 1), 1);
        CU_ASSERT_EQUAL(w.kind, METAFILE_DOCKER_IMAGE_CONFIG);
        snprintf(text, sizeof(text), "/var/lib/docker/image/overlay2/imagedb/content/sha256/%s", hex);
        CU_ASSERT_STRING_EQUAL(w.path, text);
        give_text(m, METAFILE_DOCKER_IMAGE_CONFIG, image, w.path);
        meta_content(m, ev);
        *ret = m;
}

static void test_image_spellings(void)
{
        static const struct {
                const char *image, *own, *brought;
        } cases[] = {
                {"{}", "a=1 b=2", ""},
                {"{\"config\":null}", "a=1 b=2", ""},
                {"{\"config\":{\"Labels\":null}}", "a=1 b=2", ""},
                {"{\"config\":{\"Labels\":{\"a\":\"1\"}}}", "b=2", "a=1"},
                {"{\"config\":{\"Labels\":{\"a\":\"other\"}}}", "a=1 b=2", "a=other"},
                {"{\"config\":{\"labels\":{\"a\":\"1\"},\"LABELS\":{\"b\":\"2\"}}}", "", "a=1 b=2"},
                {"{\"Config\":{\"Labels\":{\"a\":\"1\"}},\"CONFIG\":{\"lAbels\":{\"b\":\"2\"}}}", "", "a=1 b=2"},
                {"{\"config\":{\"Label\xc5\xbf\":{\"a\":\"1\",\"b\":\"2\"}}}", "", "a=1 b=2"},
                {"{\"config\":{\"Labels2\":{\"a\":\"1\"},\"Label\":{\"b\":\"2\"}}}", "a=1 b=2", ""},
                {"{\"config\":{\"Labels\":{\"a\":\"x\",\"a\":\"1\"}}}", "",
                 ""}, /* twice: refused, so nothing is known */
                {"{\"config\":{\"Labels\":{\"a\":\"\\ud800\"}}}", "", ""},
                {"{\"config\":{\"Labels\":{\"a\":\"\xff\"}}}", "", ""},
                {"[]", "", ""},
                {"", "", ""},
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct tide_event ev;
                struct meta *m;

                docker_with(cases[i].image, &m, &ev);
                list_is(ev.content.labels, cases[i].own);
                list_is(ev.content.image_labels, cases[i].brought);
                meta_free(m);
        }
}

/* What the image declares, in whatever spelling, and what Docker's own record adds; each once. */
static void test_ports(void)
{
        static const struct {
                const char *image, *ports;
        } cases[] = {
                {"{}", ""},
                {"{\"config\":{\"ExposedPorts\":null}}", ""},
                {"{\"config\":{\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{}}}}", "80=tcp 53=udp"},
                {"{\"Config\":{\"exposedports\":{\"8080\":{}}}}", "8080=tcp"},
                {"{\"config\":{\"ExposedPorts\":{\"80/tcp\":{},\"80\":{}}}}", "80=tcp"},
                {"{\"config\":{\"ExposedPorts\":{\"0/tcp\":{},\"65536\":{},\"080\":{},\"80/x\":{},\"80tcp\":{},"
                 "\"\":{},\"1-2/tcp\":{},\"99999999999\":{}}}}",
                 ""},
                {"{\"config\":{\"ExposedPorts\":[\"80/tcp\"]}}", ""},
        };

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct tide_event ev;
                struct meta *m;

                docker_with(cases[i].image, &m, &ev);
                list_is(ev.content.ports, cases[i].ports);
                meta_free(m);
        }
}

static void test_docker(void)
{
        static const char image[] = "{\"config\":{\"Labels\":{\"b\":\"2\"}}}";
        struct tide_event ev;
        struct meta *m;
        char text[80];

        docker_with(image, &m, &ev);
        is(ev.content.name, "web");
        CU_ASSERT_EQUAL(ev.content.name_given, 1);
        is(ev.content.image_ref, "web:1");
        strcpy(text, "sha256:");
        hex_digest(image, text + 7);
        is(ev.content.config_digest, text);
        is(ev.content.config_source, "/var/lib/docker/containers/c1/config.v2.json");
        CU_ASSERT_EQUAL(ev.content.manifest_digest.len, 0);
        CU_ASSERT(has(ev.content.manifest_source, "unknown"));
        no_damage(m);
        meta_free(m);

        m = new_meta("c2", "docker");
        give_text(m, METAFILE_DOCKER_CONFIG,
                  "{\"ID\":\"c2\",\"Name\":\"/sad_turing3\",\"Image\":\"sha256:" IMAGE "\",\"ImageManifest\":"
                  "{\"digest\":\"sha256:" MANIFEST "\"},\"Config\":{\"Shell\":[\"/bin/ash\",\"-ec\"],\"Healthcheck\":"
                  "{\"Test\":[\"CMD-SHELL\",\"a b\"]}}}",
                  "/d/config.v2.json");
        meta_content(m, &ev);
        CU_ASSERT_EQUAL(ev.content.name_given, 0);
        CU_ASSERT_EQUAL(ev.content.config_digest.len, 0);
        is(ev.content.manifest_digest, "sha256:" MANIFEST);
        CU_ASSERT(bytes_eq(ev.content.health, BYTES_LIT("/bin/ash\0-ec\0a b")));
        meta_free(m);

        /* The record of another container. */
        m = new_meta("c3", "docker");
        give_text(m, METAFILE_DOCKER_CONFIG, "{\"ID\":\"c2\",\"Name\":\"/web\"}", "/d/config.v2.json");
        meta_content(m, &ev);
        CU_ASSERT_EQUAL(ev.content.name.len, 0);
        CU_ASSERT(has(ev.content.config_source, "/d/config.v2.json is damaged or of an unknown form"));
        meta_free(m);
}

static void test_names(void)
{
        static const struct {
                const char *name;
                bool random;
        } names[] = {
                {"cool_babbage", true},
                {"sad_turing3", true},
                {"web", false},
                {"web_1", false},
                {"my_app", true},
                {"Cool_babbage", false},
                {"a_b", false},
                {"cool_", false},
                {"_cool", false},
                {"", false},
                {"cool_babbage33", false},
                {"cool-babbage", false},
                {"a_b_c", false},
                {"cool_babbage_", false},
        };
        struct meta *m;
        struct tide_event ev;

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                CU_ASSERT_EQUAL(meta_name_is_random(bytes_str(names[i].name)), names[i].random);

        /* Looks made up, but stands on the command line. */
        m = new_meta("c1", "podman");
        CU_ASSERT_EQUAL(podman_container_config(m, NULL, BYTES_LIT("")), ERR_SCHEMA);
        {
                _cleanup_json_ json_t *j =
                        json_pack("{s:s, s:[s,s,s]}", "name", "my_app", "CreateCommand", "podman", "--name", "my_app");

                CU_ASSERT_EQUAL(podman_container_config(m, j, BYTES_LIT("db")), 0);
        }
        meta_content(m, &ev);
        CU_ASSERT_EQUAL(ev.content.name_given, 1);
        meta_free(m);
        m = new_meta("c1", "podman");
        {
                _cleanup_json_ json_t *j = json_pack("{s:s, s:[s,s,s]}", "name", "my_app", "CreateCommand", "podman",
                                                     "--name=my_app2", "--name");

                CU_ASSERT_EQUAL(podman_container_config(m, j, BYTES_LIT("db")), 0);
        }
        meta_content(m, &ev);
        CU_ASSERT_EQUAL(ev.content.name_given, 0);
        meta_free(m);
}

/* podman hands an image's annotations on: they must not name a container. CRI-O's are its own. */
static void test_annotations(void)
{
        static const char text[] = "{\"annotations\":{\"io.kubernetes.cri-o.Name\":\"k8s_x\",\"io.kubernetes.cri-o."
                                   "ImageName\":\"i:1\"}}";
        static const char libpod[] =
                "{\"annotations\":{\"io.container.manager\":\"libpod\",\"io.kubernetes.cri-o.Name\":\"k8s_x\"}}";
        static const struct {
                const char *runtime, *text, *name;
        } cases[] = {{"podman", text, ""}, {"crio", text, "k8s_x"}, {"unknown", libpod, ""}};

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct meta *m = new_meta("c1", cases[i].runtime);
                struct tide_event ev;

                give_text(m, METAFILE_OCI_CONFIG, cases[i].text, "/b/config.json");
                meta_content(m, &ev);
                is(ev.content.name, cases[i].name);
                meta_free(m);
        }
}

/* ---- Kubernetes' names ---- */

static void test_kube(void)
{
        static const struct {
                const char *pod, *container, *want;
                uint8_t class;
        } rows[] = {
                {"web-5d59d67564-2xkqp", "nginx", "ns/web/nginx", CLASS_SERVICE},
                {"coredns-66bff467f8-7hr9g", "coredns", "ns/coredns/coredns", CLASS_SERVICE},
                {"agent-2xkqp", "a", "ns/agent/a", CLASS_SERVICE},
                {"db-0", "pg", "ns/db/pg", CLASS_SERVICE},
                {"backup-27811320-2xkqp", "b", "ns/backup/b", CLASS_JOB},
                {"backup-1594375200-2xkqp", "b", "ns/backup/b", CLASS_JOB},
                {"etcd-node1", "etcd", "ns/etcd-node1/etcd", CLASS_SERVICE},
                {"my-cafe-coffe", "x", "ns/my-cafe-coffe/x", CLASS_SERVICE}, /* vowels: nobody appended that */
                {"web-5d59d67564-2xkqp", "debugger-8xzrl", "ns/web/debugger", CLASS_SESSION},
                {"-2xkqp", "x", "ns/-2xkqp/x", CLASS_SERVICE},
                {"", "", "ns//", CLASS_SERVICE},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                uint8_t class = CLASS_SERVICE;
                _cleanup_buf_ struct buf b;

                buf_init(&b, 1024);
                kube_workload(BYTES_LIT("ns"), bytes_str(rows[i].pod), bytes_str(rows[i].container), &b, &class);
                is(buf_bytes(&b), rows[i].want);
                CU_ASSERT_EQUAL(class, rows[i].class);
        }
}

#define KUBE_LABELS                                                                                                    \
        "{\\\"io.kubernetes.pod.name\\\":\\\"web-5d59d67564-2xkqp\\\",\\\"io.kubernetes.pod.namespace\\\":"            \
        "\\\"shop\\\""                                                                                                 \
        ",\\\"io.kubernetes.container.name\\\":\\\"nginx\\\"}"

static void test_kube_bundles(void)
{
        static const char crio[] =
                "{\"process\":{\"terminal\":false},\"annotations\":{\"io.kubernetes.cri-o.Labels\":\"" KUBE_LABELS
                "\",\"io.kubernetes.cri-o.ImageName\":\"docker.io/library/nginx:1\",\"io.kubernetes.cri-o.ImageRef\":"
                "\"" IMAGE "\",\"io.kubernetes.cri-o.Name\":\"k8s_nginx_web\",\"io.kubernetes.cri-o.ContainerType\":"
                "\"container\"}}";
        static const char pause[] = "{\"annotations\":{\"io.kubernetes.cri-o.KubeName\":\"db-0\",\"io.kubernetes.cri-o."
                                    "Namespace\":\"shop\",\"io.kubernetes.cri-o.ContainerType\":\"sandbox\"}}";
        static const char ctrd[] =
                "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"nginx\",\"io.kubernetes.cri.sandbox-name\":"
                "\"web-5d59d67564-2xkqp\",\"io.kubernetes.cri.sandbox-namespace\":\"shop\",\"io.kubernetes.cri.image-"
                "name\":\"docker.io/library/nginx:1\",\"io.kubernetes.cri-o.KubeName\":\"not-mine\"}}";
        static const struct {
                const char *runtime, *text, *workload, *image;
        } rows[] = {
                {"crio", crio, "shop/web/nginx", "docker.io/library/nginx:1"},
                {"crio", pause, "shop/db/POD", ""},
                {"containerd", ctrd, "shop/web/nginx", "docker.io/library/nginx:1"},
                {"crio", ctrd, "", ""}, /* another runtime's words: anybody may have written them */
                {"containerd", crio, "", ""},
                {"podman", crio, "", ""},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct meta *m = new_meta("c1", rows[i].runtime);
                struct tide_event ev;

                give_text(m, METAFILE_OCI_CONFIG, rows[i].text, "/b/userdata/config.json");
                meta_content(m, &ev);
                is(ev.content.workload, rows[i].workload);
                is(ev.content.image_ref, rows[i].image);
                CU_ASSERT_EQUAL(ev.content.class, CLASS_SERVICE);
                no_damage(m);
                meta_free(m);
        }
}

/* ---- containerd: its database as 1.6 wrote it, its content store ---- */

#define C1 "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1"
#define STORE "/var/lib/containerd"
#define BLOBS STORE "/io.containerd.content.v1.content/blobs/sha256/"
#define CTRD_MANIFEST "d8d09548f5e12e418f0dca34e8726942aabc376c0f0873a5b2f4c7191aff73a6"
#define CTRD_CONFIG "f43baf495bab5404326b45abc8570fc63e5ae6bd5c8a265cda5f42bc8a5a0fdb"

static struct meta *ctrd_meta(const char *namespace)
{
        struct meta *m = new_meta(C1, "containerd");
        char path[256];

        snprintf(path, sizeof(path), "/run/containerd/io.containerd.runtime.v2.task/%s/" C1 "/config.json", namespace);
        give_text(m, METAFILE_OCI_CONFIG, "{\"process\":{\"terminal\":true}}", path);
        give(m, METAFILE_CONTAINERD_DB, "containerd/meta.db", STORE "/io.containerd.metadata.v1.bolt/meta.db");
        return m;
}

static void test_containerd(void)
{
        struct meta *m = ctrd_meta("default");
        struct metafile_want w;
        struct tide_event ev;

        CU_ASSERT_EQUAL_FATAL(meta_wants(m, &w, 1), 1);
        CU_ASSERT_EQUAL(w.kind, METAFILE_CONTAINERD_MANIFEST);
        CU_ASSERT_STRING_EQUAL(w.path, BLOBS CTRD_MANIFEST);
        give(m, METAFILE_CONTAINERD_MANIFEST, "containerd/manifest.json", w.path);
        CU_ASSERT_EQUAL_FATAL(meta_wants(m, &w, 1), 1);
        CU_ASSERT_EQUAL(w.kind, METAFILE_CONTAINERD_IMAGE_CONFIG);
        CU_ASSERT_STRING_EQUAL(w.path, BLOBS CTRD_CONFIG);
        give(m, METAFILE_CONTAINERD_IMAGE_CONFIG, "containerd/image-config.json", w.path);
        CU_ASSERT_EQUAL(meta_wants(m, &w, 1), 0);
        meta_content(m, &ev);
        is(ev.content.image_ref, "localhost/work:1");
        is(ev.content.config_digest, "sha256:" CTRD_CONFIG);
        is(ev.content.config_source, BLOBS CTRD_MANIFEST);
        is(ev.content.manifest_digest, "sha256:" CTRD_MANIFEST);
        is(ev.content.manifest_source, STORE "/io.containerd.metadata.v1.bolt/meta.db");
        list_is(ev.content.image_labels, "of.image=yes");
        CU_ASSERT_EQUAL(ev.content.class, CLASS_SERVICE); /* a terminal alone is nobody's */
        no_damage(m);
        meta_free(m);

        m = ctrd_meta("other"); /* the same id in a namespace where there is none */
        CU_ASSERT_EQUAL(meta_wants(m, &w, 1), 0);
        meta_content(m, &ev);
        is(ev.content.config_digest, "");
        CU_ASSERT(has(ev.content.config_source, "meta.db does not have it"));
        meta_free(m);
}

/* An index of platforms leads to the manifest of this host's; the blob must be what it is asked for by. */
static void test_containerd_index(void)
{
        static const char index[] =
                "{\"manifests\":[{\"digest\":\"sha256:" MANIFEST
                "\",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}},{\"digest\":\"sha256:" CTRD_MANIFEST
                "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}}]}";
        const char *const architectures[] = {"amd64", "arm64", "ppc64le", "s390x"};
        bool found = false;

        for (size_t i = 0; i < ARRAY_LEN(architectures); i++) {
                struct meta *m = new_meta(C1, "containerd");
                char text[1024], digest[80];
                unsigned char sum[32];
                struct metafile_want w;
                struct tide_event ev;
                unsigned n;

                snprintf(text, sizeof(text), index, architectures[i]);
                EVP_Digest(text, strlen(text), sum, &n, EVP_sha256(), NULL);
                snprintf(digest, sizeof(digest), "sha256:");
                for (n = 0; n < 32; n++)
                        snprintf(digest + 7 + 2 * n, 3, "%02x", sum[n]);
                give(m, METAFILE_CONTAINERD_DB, "containerd/meta.db", STORE "/io.containerd.metadata.v1.bolt/meta.db");
                meta_set(m, FIELD_TARGET, bytes_str(digest));
                CU_ASSERT_EQUAL_FATAL(meta_wants(m, &w, 1), 1);
                give_text(m, METAFILE_CONTAINERD_MANIFEST, "{\"config\":{\"digest\":\"sha256:" IMAGE "\"}}", w.path);
                CU_ASSERT_EQUAL(meta_get(m, FIELD_IMAGE_ID).len, 0); /* not what was asked for */
                give_text(m, METAFILE_CONTAINERD_MANIFEST, text, w.path);
                if (meta_wants(m, &w, 1)) {
                        found = true;
                        CU_ASSERT_STRING_EQUAL(w.path, BLOBS CTRD_MANIFEST);
                        give(m, METAFILE_CONTAINERD_MANIFEST, "containerd/manifest.json", w.path);
                        meta_content(m, &ev);
                        is(ev.content.config_digest, "sha256:" CTRD_CONFIG);
                        is(ev.content.manifest_digest, "sha256:" CTRD_MANIFEST);
                        CU_ASSERT(has(ev.content.manifest_source, "through an index of several platforms"));
                }
                meta_free(m);
        }
        CU_ASSERT_TRUE(found); /* one of the four is this host's */
}

/* Pulled images have their manifest's digest beside the name; one had from two places counts by the name it runs under.
 */
static void test_resolv(void)
{
        static const struct {
                const char *dns, *networks, *own, *host;
                const char *given;
                bool found, embedded;
        } cases[] = {
                {"[]", "{\"bridge\":{}}", "nameserver 10.0.0.53\n", "nameserver 10.0.0.1\n", "", true, false},
                {"[\"10.0.0.2\"]", "{\"host\":null}", "nameserver 10.0.0.53", NULL, "nameserver 10.0.0.2\n", true,
                 false},
                {"[\"10.0.0.2\",\"fd00::2\"]", "{\"bridge\":{},\"names\":{}}", "nameserver 127.0.0.11\n",
                 "nameserver 10.0.0.1\n", "nameserver 10.0.0.2\nnameserver fd00::2\n", true, true},
                {"[\"10.0.0.2\\nnameserver 6.6.6.6\",\"\",7,\"a b\"]", "[\"names\"]", "", NULL, "", true, false},
                {"null", "null", NULL, "nameserver 10.0.0.1\n", "", false, false},
                {"{}", "7", NULL, NULL, "", false, false},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct meta *m = new_meta("c1", "docker");
                struct resolvers_files f;
                char text[512];

                snprintf(text, sizeof(text), "{\"Binds\":null,\"Dns\":%s}", cases[i].dns);
                give_text(m, METAFILE_DOCKER_HOSTCONFIG, text, "/c");
                snprintf(text, sizeof(text), "{\"ID\":\"c1\",\"NetworkSettings\":{\"Networks\":%s}}",
                         cases[i].networks);
                give_text(m, METAFILE_DOCKER_NETWORKS, text, "/c");
                if (cases[i].host)
                        give_text(m, METAFILE_RESOLV_HOST, cases[i].host, "/etc/resolv.conf");
                if (cases[i].own)
                        give_text(m, METAFILE_RESOLV_CONF, cases[i].own, "/r");
                meta_resolv(m, &f);
                CU_ASSERT_EQUAL(f.found, cases[i].found);
                CU_ASSERT_EQUAL(f.embedded, cases[i].embedded);
                is(f.given, cases[i].given);
                CU_ASSERT_EQUAL(f.own.len, cases[i].own ? strlen(cases[i].own) + 1 : 0);
                CU_ASSERT(!cases[i].own || bytes_has_prefix(f.own, bytes_str(cases[i].own)));
                CU_ASSERT_EQUAL(f.host.len, cases[i].host ? strlen(cases[i].host) + 1 : 0);
                meta_free(m);
        }
        {
                struct meta *m = new_meta("c2", "docker"); /* another container's file says nothing of it */
                struct resolvers_files f;

                give_text(m, METAFILE_DOCKER_NETWORKS,
                          "{\"ID\":\"c1\",\"NetworkSettings\":{\"Networks\":{\"names\":{}}}}", "/c");
                meta_resolv(m, &f);
                CU_ASSERT_FALSE(f.embedded);
                meta_free(m);
        }
}

/* What becomes of a container, by each runtime's own record. */
static void fate_is(struct meta *m, const char *restart, const char *unhealthy, bool removed, bool kube)
{
        struct meta_fate f;
        struct tide_event ev;

        meta_content(m, &ev);
        meta_fate(m, &f);
        is(f.restart, restart);
        is(f.unhealthy, unhealthy);
        CU_ASSERT_EQUAL(f.removed, removed);
        CU_ASSERT_EQUAL(f.kube, kube);
        meta_free(m);
}

static void test_fate(void)
{
        struct meta *m = new_meta("c1", "docker");

        give_text(m, METAFILE_DOCKER_CONFIG,
                  "{\"ID\":\"c1\",\"Name\":\"/web\",\"Config\":{\"Image\":\"i:1\"}}", "/c");
        give_text(m, METAFILE_DOCKER_FATE,
                  "{\"RestartPolicy\":{\"Name\":\"unless-stopped\"},\"AutoRemove\":false}", "/h");
        fate_is(m, "unless-stopped", "", false, false);
        m = new_meta("c1", "docker");
        give_text(m, METAFILE_DOCKER_FATE, "{\"RestartPolicy\":{\"Name\":\"no\"},\"AutoRemove\":true}", "/h");
        fate_is(m, "no", "", true, false);
        m = new_meta("c1", "docker");
        give_text(m, METAFILE_DOCKER_FATE, "{\"RestartPolicy\":7,\"AutoRemove\":\"yes\"}", "/h");
        fate_is(m, "", "", false, false);
        m = new_meta("c1", "docker");
        give_text(m, METAFILE_DOCKER_FATE, "[]", "/h");
        fate_is(m, "", "", false, false);

        m = new_meta(WEB1, "podman"); /* made with --rm? no: tests/fixtures */
        give(m, METAFILE_PODMAN_DB, "podman/bolt_state.db", ROOT "/libpod/bolt_state.db");
        fate_is(m, "no", "", false, false);
        m = new_meta(COOL, "podman");
        give(m, METAFILE_PODMAN_DB, "podman/bolt_state.db", ROOT "/libpod/bolt_state.db");
        fate_is(m, "no", "", true, false);
        m = new_meta("c1", "podman"); /* a database that is not read: the bundle still says that it goes */
        give_text(m, METAFILE_OCI_CONFIG, "{\"annotations\":{\"io.podman.annotations.autoremove\":\"TRUE\"}}", "/b");
        fate_is(m, "", "", true, false);

        m = new_meta("c1", "containerd");
        give_text(m, METAFILE_OCI_CONFIG,
                  "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"web\",\"io.kubernetes.cri.sandbox-name\":"
                  "\"shop-5d59d67564-2xkqp\",\"io.kubernetes.cri.sandbox-namespace\":\"prod\"}}",
                  "/b");
        fate_is(m, "", "", false, true);
}

static void test_fate_podman(void)
{
        static const struct {
                const char *config, *restart, *unhealthy;
        } cases[] = {
                {"{\"restart_policy\":\"always\",\"healthcheck_on_failure_action\":3}", "always", "restart"},
                {"{\"restart_policy\":\"on-failure\",\"healthcheck_on_failure_action\":2}", "on-failure", "kill"},
                {"{\"healthcheck_on_failure_action\":0}", "no", ""},
                {"{\"restart_policy\":[],\"healthcheck_on_failure_action\":99}", "no", ""},
                {"{\"healthcheck_on_failure_action\":-1}", "no", ""},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct meta *m = new_meta("c1", "podman");
                json_t *j = json_loads(cases[i].config, 0, NULL);

                CU_ASSERT_EQUAL(podman_container_config(m, j, BYTES_LIT("/db")), 0);
                json_decref(j);
                fate_is(m, cases[i].restart, cases[i].unhealthy, false, false);
        }
}

static void test_resolv_long(void)
{
        struct meta *m = new_meta("c1", "docker");
        size_t len = 200000;
        char *text = malloc(len);
        struct resolvers_files f;

        memset(text, '#', len);
        give_bytes(m, METAFILE_RESOLV_CONF, text, len, "/r");
        give_bytes(m, METAFILE_RESOLV_HOST, text, len, "/h");
        meta_resolv(m, &f);
        CU_ASSERT_EQUAL(f.own.len, META_RESOLV_MAX);
        CU_ASSERT_EQUAL(f.host.len, META_RESOLV_MAX);
        free(text);
        meta_free(m);
}

static void test_docker_repositories(void)
{
        static const char repositories[] =
                "{\"Repositories\":{\"a/web\":{\"a/web:1\":\"sha256:" IMAGE "\",\"a/web@sha256:" MANIFEST
                "\":\"sha256:" IMAGE "\"},\"b/web\":{\"b/web@sha256:" IMAGE "\":\"sha256:" IMAGE
                "\"},\"other\":{\"other@sha256:" WEB1 "\":\"sha256:" WEB1 "\"}}}";
        static const struct {
                const char *ref, *want;
        } rows[] = {{"a/web:1", "sha256:" MANIFEST}, {"b/web:1", "sha256:" IMAGE}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct meta *m = new_meta("c1", "docker");
                struct tide_event ev;
                char text[512];

                snprintf(text, sizeof(text),
                         "{\"ID\":\"c1\",\"Name\":\"/w\",\"Image\":\"sha256:" IMAGE
                         "\",\"Config\":{\"Image\":\"%s\",\"Labels\":{}}}",
                         rows[i].ref);
                give_text(m, METAFILE_DOCKER_CONFIG, text, "/d/containers/c1/config.v2.json");
                give_text(m, METAFILE_DOCKER_REPOSITORIES, repositories, "/d/image/overlay2/repositories.json");
                meta_content(m, &ev);
                is(ev.content.manifest_digest, rows[i].want);
                is(ev.content.manifest_source, "/d/image/overlay2/repositories.json");
                meta_free(m);
        }
}

/* Somebody sits before it: a terminal, and a standard input that was not left to itself. A step of a build is a job. */
static void test_classes(void)
{
        static const struct {
                const char *name, *config;
                uint8_t class;
        } rows[] = {
                {"web", "\"Image\":\"i:1\",\"Tty\":true,\"AttachStdin\":true", CLASS_SESSION},
                {"web", "\"Image\":\"i:1\",\"Tty\":true,\"OpenStdin\":true,\"AttachStdin\":false", CLASS_SERVICE},
                {"web", "\"Image\":\"i:1\",\"Tty\":false,\"AttachStdin\":true", CLASS_SERVICE},
                {"happy_turing", "\"Image\":\"sha256:" IMAGE "\"", CLASS_JOB},
                {"web", "\"Image\":\"sha256:" IMAGE "\"", CLASS_SERVICE},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct meta *m = new_meta("c1", "docker");
                struct tide_event ev;
                char text[512];

                snprintf(text, sizeof(text), "{\"ID\":\"c1\",\"Name\":\"/%s\",\"Config\":{%s}}", rows[i].name,
                         rows[i].config);
                give_text(m, METAFILE_DOCKER_CONFIG, text, "/d/containers/c1/config.v2.json");
                meta_content(m, &ev);
                CU_ASSERT_EQUAL(ev.content.class, rows[i].class);
                meta_free(m);
        }
}

static void test_podman_classes(void)
{
        static const struct {
                const char *arg;
                bool terminal, standard_input;
                uint8_t class;
        } rows[] = {
                {"-it", true, true, CLASS_SESSION},      {"-dit", true, true, CLASS_SERVICE},
                {"--detach", true, true, CLASS_SERVICE}, {"-i", false, true, CLASS_SERVICE},
                {"-t", true, false, CLASS_SERVICE},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct meta *m = new_meta("c1", "podman");
                struct tide_event ev;
                _cleanup_json_ json_t *j =
                        json_pack("{s:s, s:b, s:[s,s,s]}", "name", "x", "stdin", rows[i].standard_input,
                                  "CreateCommand", "podman", "run", rows[i].arg);

                give_text(m, METAFILE_OCI_CONFIG,
                          rows[i].terminal ? "{\"process\":{\"terminal\":true}}" : "{\"process\":{}}",
                          "/b/config.json");
                CU_ASSERT_EQUAL(podman_container_config(m, j, BYTES_LIT("db")), 0);
                meta_content(m, &ev);
                CU_ASSERT_EQUAL(ev.content.class, rows[i].class);
                meta_free(m);
        }
}

static void test_too_large(void)
{
        char path[] = "/tmp/tidemark-test-XXXXXX";
        struct meta *m = new_meta(WEB1, "podman");
        int fd = mkstemp(path);
        struct tide_event ev;
        struct meta_stats s;

        CU_ASSERT_FATAL(fd >= 0);
        unlink(path);
        CU_ASSERT_EQUAL_FATAL(ftruncate(fd, 100 << 20), 0); /* 100 MiB, of holes */
        meta_file(m, METAFILE_PODMAN_CONTAINERS, fd, BYTES_LIT("/s/containers.json"));
        meta_content(m, &ev);
        CU_ASSERT(has(ev.content.config_source, "/s/containers.json is too large and was not read (limits: 16 MiB"));
        meta_stats(m, &s);
        CU_ASSERT_EQUAL(s.too_large, 1);
        CU_ASSERT_EQUAL(s.bytes, 0);
        close(fd);
        meta_free(m);
}

/* Many values in few bytes, and deep ones: refused before a tree is made of them. */
static void test_too_many(void)
{
        static const char unit[][3] = {"[],", "[[", "{}", "1,", "::"};
        size_t len = 4u << 20;
        char *p = malloc(len);

        for (size_t i = 0; p && i < ARRAY_LEN(unit); i++) {
                json_t *j = NULL;
                size_t n = strnlen(unit[i], 3);

                for (size_t k = 0; k < len; k++)
                        p[k] = unit[i][k % n];
                CU_ASSERT_EQUAL(meta_json((uint8_t *)p, len, &j), ERR_LIMIT);
        }
        /* The same inside of a string is text. */
        if (p) {
                json_t *j = NULL;

                memset(p, '[', len);
                memcpy(p, "[\"\\\"", 4);
                memcpy(p + len - 2, "\"]", 2);
                CU_ASSERT_EQUAL(meta_json((uint8_t *)p, len, &j), 0);
                CU_ASSERT_EQUAL(json_string_length(json_array_get(j, 0)), len - 5);
                json_decref(j);
        }
        free(p);
}

static void test_nul(void)
{
        static const struct {
                const char *text, *value;
        } cases[] = {
                {"[\"a\\u0000b\"]", "a\xef\xbf\xbd"
                                    "b"},
                {"[\"a\\\\u0000b\"]", "a\\u0000b"},
                {"[\"\\\\\\u0000\"]", "\\\xef\xbf\xbd"},
        };
        char text[64];
        json_t *j = NULL;

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                strcpy(text, cases[i].text);
                CU_ASSERT_EQUAL_FATAL(meta_json((uint8_t *)text, strlen(text), &j), 0);
                CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(j, 0)), cases[i].value);
                json_decref(j);
        }
        /* Cut within the escape. */
        strcpy(text, "[\"\\u00");
        CU_ASSERT_EQUAL(meta_json((uint8_t *)text, strlen(text), &j), ERR_SCHEMA);
        strcpy(text, "[\"\\");
        CU_ASSERT_EQUAL(meta_json((uint8_t *)text, strlen(text), &j), ERR_SCHEMA);
}

static void test_wrong_types(void)
{
        static const char *const texts[] = {
                "{}",
                "7",
                "\"x\"",
                "null",
                "[7,null,[],\"" WEB1 "\",{\"id\":7},{\"id\":[\"" WEB1 "\"]},{\"id\":\"" WEB1
                "\",\"names\":{},\"image\":7,\"metadata\":[],\"created\":1}]",
                "[{\"id\":\"" WEB1 "\",\"names\":[7],\"image\":\"../../../etc\",\"metadata\":\"{\",\"created\":null}]",
                "[{\"id\":\"" WEB1 "\",\"id\":\"x\"}]",
                "[{\"id\":\"" WEB1 "\",\"image\":\"" IMAGE "\"}] [",
        };

        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
                struct meta *m = new_meta(WEB1, "podman");
                struct metafile_want w;
                struct tide_event ev;
                struct meta_stats s;

                give_text(m, METAFILE_PODMAN_CONTAINERS, texts[i], "/c");
                give_text(m, METAFILE_PODMAN_IMAGES, texts[i], "/i/images.json");
                CU_ASSERT_EQUAL(meta_wants(m, &w, 1), 0);
                meta_content(m, &ev);
                CU_ASSERT_EQUAL(ev.content.config_digest.len + ev.content.name.len, 0);
                CU_ASSERT(ev.content.config_source.len > 0);
                meta_stats(m, &s);
                CU_ASSERT(s.malformed > 0);
                meta_free(m);
        }
}

static void test_wrong_image_entry(void)
{
        static const char *const images[] = {
                "[{\"id\":\"" IMAGE "\"}]",
                "[{\"id\":\"" IMAGE "\",\"digest\":7,\"names\":{},\"big-data-digests\":[]}]",
                "[{\"id\":\"" IMAGE "\",\"digest\":\"sha256:" MANIFEST
                "\",\"big-data-digests\":{\"manifest-sha256:" MANIFEST "\":\"sha256:" IMAGE "\"}}]",
                "[{\"id\":\"" IMAGE "\",\"digest\":\"md5:1\",\"big-data-digests\":{\"sha256:" IMAGE
                "\":\"x\",\"manifest-\":\"\",\"\":\"\"}}]",
        };

        for (size_t i = 0; i < ARRAY_LEN(images); i++) {
                struct meta *m = new_meta(WEB1, "podman");
                struct tide_event ev;

                give_containers(m);
                give_text(m, METAFILE_PODMAN_IMAGES, images[i], "/i/images.json");
                meta_content(m, &ev);
                CU_ASSERT_EQUAL(ev.content.manifest_digest.len, 0);
                CU_ASSERT(has(ev.content.manifest_source, "unknown: no manifest is stored in /i/images.json"));
                CU_ASSERT(has(ev.content.config_source, "its configuration is not stored"));
                meta_free(m);
        }
}

/* Every cut of a file: nothing of it, or all of it. */
static void test_cut(void)
{
        size_t len = 0, knew = 0;
        uint8_t *p = fixture_read("podman/containers.json", &len);

        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        for (size_t n = 0; n <= len; n++) {
                struct meta *m = new_meta(WEB1, "podman");
                struct tide_event ev;
                struct meta_stats s;

                give_bytes(m, METAFILE_PODMAN_CONTAINERS, p, n, "/c");
                meta_content(m, &ev);
                meta_stats(m, &s);
                knew += ev.content.name.len > 0;
                CU_ASSERT_EQUAL(s.malformed, n < len);
                meta_free(m);
        }
        CU_ASSERT_EQUAL(knew, 1);
        free(p);
}

static void test_label_limits(void)
{
        struct meta *m = new_meta("c1", "podman");
        _cleanup_json_ json_t *root = json_pack("{s:s, s:{}}", "name", "web", "labels");
        json_t *labels = json_object_get(root, "labels");
        struct tide_event ev;
        struct meta_stats s;
        _cleanup_buf_ struct buf b;
        char key[512], value[8192];

        memset(value, 'v', sizeof(value) - 1);
        value[sizeof(value) - 1] = 0;
        json_object_set_new(labels, "long", json_string(value));
        memset(key, 'k', 257);
        key[257] = 0;
        json_object_set_new(labels, key, json_string("1"));
        json_object_set_new(labels, "number", json_integer(7));
        for (unsigned i = 0; i < 100; i++) {
                snprintf(key, sizeof(key), "label%u", i);
                json_object_set_new(labels, key, json_string("1"));
        }
        CU_ASSERT_EQUAL(podman_container_config(m, root, BYTES_LIT("db")), 0);
        meta_content(m, &ev);
        CU_ASSERT_EQUAL(list_len(ev.content.labels), META_LABELS);
        meta_stats(m, &s);
        CU_ASSERT_EQUAL(s.malformed, 1);
        CU_ASSERT_EQUAL(s.cut, 1 + 1 + 100 - (META_LABELS - 1)); /* value, key, those beyond */
        CU_ASSERT(has(ev.content.config_source, "39 labels cut or left out"));
        meta_free(m);

        /* Big ones: the whole event fits its record. */
        m = new_meta("c1", "podman");
        json_object_clear(labels);
        value[4096] = 0;
        for (unsigned i = 0; i < 64; i++) {
                snprintf(key, sizeof(key), "label%u", i);
                json_object_set_new(labels, key, json_string(value));
        }
        CU_ASSERT_EQUAL(podman_container_config(m, root, BYTES_LIT("db")), 0);
        m->image_labels = json_pack("[O]", labels);
        meta_content(m, &ev);
        CU_ASSERT_EQUAL(list_len(ev.content.labels), 0);
        CU_ASSERT_EQUAL(list_len(ev.content.image_labels), 3);
        buf_init(&b, 1 << 20);
        CU_ASSERT_EQUAL(tide_encode(&ev, &b), 0);
        CU_ASSERT(b.len < TIDE_RECORD_MAX);
        meta_free(m);
}

static void test_descriptors(void)
{
        int p[2], dir = open("/", O_RDONLY | O_DIRECTORY);
        struct meta *m = new_meta(WEB1, "podman");
        struct tide_event ev;

        CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
        meta_file(m, METAFILE_PODMAN_CONTAINERS, -1, BYTES_LIT("/c"));
        meta_file(m, METAFILE_END, p[0], BYTES_LIT("/c"));
        meta_file(m, METAFILE__MAX, p[0], BYTES_LIT("/c"));
        meta_file(m, METAFILE_PODMAN_CONTAINERS, p[0], BYTES_LIT("/c")); /* would block for ever */
        meta_file(m, METAFILE_PODMAN_DB, dir, BYTES_LIT("/d"));
        meta_content(m, &ev);
        CU_ASSERT(has(ev.content.config_source, "/c could not be read; /d could not be read"));
        /* One that cannot be read does not hide the same from elsewhere. */
        give_containers(m);
        meta_file(m, METAFILE_PODMAN_CONTAINERS, p[0], BYTES_LIT("/c"));
        meta_content(m, &ev);
        is(ev.content.name, "web1");
        close(p[0]);
        close(p[1]);
        close(dir);
        meta_free(m);
}

static void test_long_paths(void)
{
        struct meta *m = new_meta(WEB1, "podman");
        struct metafile_want w;
        struct tide_event ev;
        char path[2048];

        memset(path, '/', sizeof(path));
        for (size_t i = 1; i < sizeof(path); i += 2)
                path[i] = 'a';
        path[sizeof(path) - 1] = 0;
        give(m, METAFILE_PODMAN_CONTAINERS, "podman/containers.json", path);
        give(m, METAFILE_PODMAN_IMAGES, "podman/images.json", path);
        CU_ASSERT_EQUAL(meta_wants(m, &w, 1), 0); /* no room for the name: not asked for, rather than cut */
        meta_content(m, &ev);
        is(ev.content.name, "web1");
        meta_free(m);
        CU_ASSERT_EQUAL(meta_new(bytes_str(path), BYTES_LIT("podman"), &m), ERR_LIMIT);
}

static void test_health(void)
{
        static const struct {
                const char *test, *expected;
                size_t len;
        } cases[] = {
                {"[\"CMD\",\"a\",\"b c\"]", "a\0b c", 5},
                {"[\"CMD-SHELL\",\"x\"]", "sh\0-c\0x", 7},
                {"[\"NONE\"]", "", 0},
                {"[]", "", 0},
                {"[7]", "", 0},
                {"[\"CMD\",7]", "", 0},
                {"[\"OTHER\",\"x\"]", "", 0},
        };
        static const char *const shell[] = {"sh", "-c"};

        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct meta *m = new_meta("c1", "podman");
                _cleanup_json_ json_t *j = json_loads(cases[i].test, 0, NULL);

                meta_set_health(m, j, shell, 2);
                CU_ASSERT(bytes_eq(meta_get(m, FIELD_HEALTH), bytes_of(cases[i].expected, cases[i].len)));
                meta_free(m);
        }
}

static const struct unit_case cases[] = {
        {"podman: all that is known of a container, with its sources", test_podman},
        {"files may come in any order", test_order},
        {"a made-up name is not given, an image's labels are not the container's", test_another},
        {"an unknown container has sources that say why", test_unknown},
        {"no database, no image list: the rest is told, the lack too", test_some_missing},
        {"no image configuration, or a false one: no label is the container's", test_image_unread},
        {"labels that an image brings, however it spells them", test_image_spellings},
        {"ports that images declare", test_ports},
        {"docker, also with containerd's image store", test_docker},
        {"resolv.conf, servers that were given, networks with an embedded one", test_resolv},
        {"resolv.conf: too long", test_resolv_long},
        {"restart policy, removal, Kubernetes: each runtime's own word", test_fate},
        {"podman: restart policy, what its health check does", test_fate_podman},
        {"docker: manifest digests of pulled images", test_docker_repositories},
        {"containerd: from its database to the image's configuration", test_containerd},
        {"containerd: through an index of platforms", test_containerd_index},
        {"pods of one controller are one workload", test_kube},
        {"bundles of CRI-O and of containerd's CRI", test_kube_bundles},
        {"a person's containers, and steps of a build", test_classes},
        {"podman: a person's containers", test_podman_classes},
        {"which names a person gave", test_names},
        {"annotations of an image name nobody", test_annotations},
        {"100 MiB are refused in words", test_too_large},
        {"too many or too deep values are refused", test_too_many},
        {"an escaped NUL does not hide a file", test_nul},
        {"wrong types are counted and passed over", test_wrong_types},
        {"digests are told only of what is stored under them", test_wrong_image_entry},
        {"a file cut anywhere is not half believed", test_cut},
        {"labels have limits, and what is cut is counted", test_label_limits},
        {"descriptors of other things than files", test_descriptors},
        {"paths longer than a want can hold", test_long_paths},
        {"health checks as they are run", test_health},
};
UNIT_MAIN("meta", cases)

# docker build -t sluice . && docker run --rm -v "$PWD:/data" -w /data sluice run MODEL INPUT OUTPUT
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make pkg-config \
    libarchive-dev zlib1g-dev libdeflate-dev libzstd-dev libcsv-dev libjansson-dev libturbojpeg0-dev libpng-dev libwebp-dev libdnnl-dev libssl-dev libutf8proc-dev check \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile ./
COPY include include
COPY src src
COPY transforms transforms
RUN make -j"$(nproc)" && strip build/release/sluice && make install DESTDIR=/image PREFIX=/usr

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
    libarchive13 zlib1g libdeflate0 libzstd1 libcsv3 libjansson4 libturbojpeg0 libpng16-16 libwebp7 libdnnl2 libssl3 libutf8proc2 libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /image/usr/bin/sluice /usr/bin/sluice
USER nobody
ENTRYPOINT ["/usr/bin/sluice"]
CMD ["--help"]
LABEL org.opencontainers.image.title="sluice" org.opencontainers.image.licenses="Apache-2.0"

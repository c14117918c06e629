# One image per service:
#
#   docker build --build-arg SERVICE=outbox-publisher -t event-bus/outbox-publisher .
#   docker build --build-arg SERVICE=consumer-runner --build-arg EXTRA="welcome-email" -t event-bus/welcome-email .
#
# SERVICE is what the image starts: a package of services/. EXTRA names further packages it must contain, separated
# by spaces: a runner loads its consumers by name at start and depends on none of them.
ARG NODE_VERSION=24.21.0

FROM node:${NODE_VERSION}-bookworm-slim AS tools
ENV TURBO_TELEMETRY_DISABLED=1 CI=true
WORKDIR /src
COPY package.json ./
# The versions that the repository pins, so that no image is built with others.
RUN npm install --global --no-fund --no-audit --no-update-notifier \
  "$(node --print 'require("./package.json").packageManager')" \
  "turbo@$(node --print 'require("./package.json").devDependencies.turbo')"

FROM tools AS prune
ARG SERVICE
ARG EXTRA=""
COPY . .
RUN turbo prune $(for name in ${SERVICE:?say which: --build-arg SERVICE=outbox-publisher} $EXTRA; do echo "@event-bus/$name"; done) --docker

FROM tools AS build
ARG SERVICE
ARG EXTRA=""
# The manifests alone first: as long as they stay the same, so does this layer.
COPY --from=prune /src/out/json/ ./
RUN pnpm install --frozen-lockfile
COPY --from=prune /src/out/full/ ./
COPY --from=prune /src/tsconfig.base.json ./
RUN turbo run build $(for name in $SERVICE $EXTRA; do echo "--filter=@event-bus/$name"; done)
# Production dependencies only, and the sources gone. What code loads beside itself stays: lua, migrations.
RUN rm -rf node_modules packages/*/node_modules services/*/node_modules \
  && pnpm install --frozen-lockfile --offline --prod --no-optional $(for name in $SERVICE $EXTRA; do echo "--filter-prod=@event-bus/$name..."; done) \
  && rm -rf .turbo packages/*/.turbo services/*/.turbo packages/*/src services/*/src packages/*/.tsbuildinfo services/*/.tsbuildinfo packages/testkit

FROM node:${NODE_VERSION}-bookworm-slim
ARG SERVICE
ENV NODE_ENV=production SERVICE=${SERVICE} PORT=8080
WORKDIR /app
COPY --from=build /src/ ./
COPY infra/docker/ready.mjs ./
USER node
EXPOSE 8080
# exec: the service itself receives SIGTERM, and drains.
CMD exec node services/$SERVICE/dist/main.js

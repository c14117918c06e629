/**
 * List prices in dollars, on demand, US East (N. Virginia), Linux on ARM where there is a choice. Change them here.
 *
 * As found in November 2026. Fargate: https://www.vantage.sh/blog/fargate-pricing. RDS, db.t4g and gp3:
 * https://infratally.com/articles/aws-rds-pricing-explained-2026.html and
 * https://www.usage.ai/blogs/aws/reserved-instances/rds/pricing-calculator/. S3:
 * https://devnotes.tech/understanding-aws-s3-pricing-a-complete-cost-breakdown-with-examples. cache.* (the engine Redis OSS;
 * Valkey costs a fifth less): copies of the AWS Price List API in public code, of October 2026. db.m7g: price tables in public
 * code, which lie up to 8 % apart. Look them up at https://calculator.aws before you rely on them.
 */
export const prices = {
  hoursPerMonth: 730,
  /** Fargate: a worker's share of a core and of memory. */
  vCpuHour: 0.032_38,
  gibHour: 0.003_56,
  /** RDS for PostgreSQL, one instance; a synchronous standby costs as much again. */
  postgres: [
    { name: 'db.t4g.small', vCpus: 2, burstable: true, hour: 0.032 },
    { name: 'db.t4g.medium', vCpus: 2, burstable: true, hour: 0.065 },
    { name: 'db.m7g.large', vCpus: 2, burstable: false, hour: 0.168 },
    { name: 'db.m7g.xlarge', vCpus: 4, burstable: false, hour: 0.336 },
    { name: 'db.m7g.2xlarge', vCpus: 8, burstable: false, hour: 0.672 },
    { name: 'db.m7g.4xlarge', vCpus: 16, burstable: false, hour: 1.344 },
    { name: 'db.m7g.8xlarge', vCpus: 32, burstable: false, hour: 2.688 },
    { name: 'db.m7g.16xlarge', vCpus: 64, burstable: false, hour: 5.376 },
  ],
  /** RDS gp3, per copy; its 3,000 IOPS (12,000 from 400 GiB on) are included, more cost extra. */
  postgresGibMonth: 0.115,
  postgresIops: { included: 3_000, includedFrom400Gib: 12_000, month: 0.02 },
  /** ElastiCache for Redis, one node; a replica costs as much again. */
  redis: [
    { name: 'cache.t4g.small', gib: 1.37, hour: 0.032 },
    { name: 'cache.t4g.medium', gib: 3.09, hour: 0.065 },
    { name: 'cache.m7g.large', gib: 6.38, hour: 0.158 },
    { name: 'cache.r7g.large', gib: 13.07, hour: 0.219 },
    { name: 'cache.r7g.xlarge', gib: 26.32, hour: 0.437 },
    { name: 'cache.r7g.2xlarge', gib: 52.82, hour: 0.873 },
  ],
  s3GbMonth: 0.023,
  s3PutThousand: 0.005,
} as const;

// From the colon after the user to the last @ before the host. A raw slash cannot stand in a URL's password.
const urlPassword = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/"\\]*:)[^\s/"\\]+@/gi;

/** The text with the password of every URL in it replaced by `[redacted]`. */
export function redactUrlPasswords(text: string): string {
  return text.includes('://') ? text.replace(urlPassword, '$1[redacted]@') : text;
}

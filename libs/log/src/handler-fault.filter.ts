import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { throwError, type Observable } from 'rxjs';

/**
 * Hands on the error of a handler as it is: Nest makes "Internal server error" of it, and nobody would learn the cause.
 */
@Catch()
export class HandlerFaultFilter implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
